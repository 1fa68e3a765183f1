package devidp

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"
)

// devRotate makes new signing keys, so that an app's or a server's dealing with that can
// be tried. Fields of the form, both optional: keep (a duration or seconds: how long the
// keys of now stay in the key set; default: as long as tokens live) and drop=true (they
// and all earlier ones are gone at once). The answer has the new key IDs by algorithm.
func (p *provider) devRotate(w http.ResponseWriter, r *http.Request) {
	form, err := devForm(r, "keep", "drop")
	if err != nil {
		badDevRequest(w, err)

		return
	}

	keep, err := p.parseKeep(form)
	if err != nil {
		badDevRequest(w, err)

		return
	}

	keys, err := p.storage.keys.rotate(keep)
	if err != nil {
		p.log.Error("making new keys", zap.Error(err))
		http.Error(w, "The keys cannot be made; the server's log says why.", http.StatusInternalServerError)

		return
	}

	p.log.Warn("made new signing keys", zap.Duration("old_keys_kept", keep))

	ids := make(map[string]string, len(keys))
	for _, key := range keys {
		ids[string(key.SignatureAlgorithm())] = key.ID()
	}

	writeJSON(w, http.StatusOK, ids)
}

// parseKeep is how long the old keys stay; zero drops them.
func (p *provider) parseKeep(form url.Values) (time.Duration, error) {
	switch drop := form.Get("drop"); {
	case drop == "true" && form.Has("keep"):
		return 0, fmt.Errorf("drop=true and keep exclude each other")
	case drop == "true":
		return 0, nil
	case form.Has("drop") && drop != "false":
		return 0, fmt.Errorf("drop %q: it must be true or false", drop)
	case !form.Has("keep"):
		return p.tokenLifetime, nil
	}

	keep, err := parseDuration("keep", form.Get("keep"))
	if err == nil && keep < 0 {
		err = fmt.Errorf("keep %q must not be negative", form.Get("keep"))
	}

	return keep, err
}
