// Photos are made small before they are stored: they travel to every device of the list.

const longest = 1280 // pixels
const quality = 0.8

// shrink makes a JPEG of a picture. Drawing it anew also leaves behind what the camera wrote
// into the file, such as where it was taken.
export async function shrink(file) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error('This file is not a picture that the browser can read.')
  })
  const scale = Math.min(1, longest / Math.max(picture.width, picture.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(picture.width * scale))
  canvas.height = Math.max(1, Math.round(picture.height * scale))
  const context = canvas.getContext('2d')
  context.fillStyle = '#fff' // JPEG knows no transparency
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(picture, 0, 0, canvas.width, canvas.height)
  picture.close()
  return new Promise((made) => canvas.toBlob(made, 'image/jpeg', quality))
}
