package peer

import (
	"context"
	"encoding/json"
	"errors"
)

// rowsAtOnce is how many rows of an answer are taken: in memory they are far larger than their text, which may be
// nothing but braces.
const rowsAtOnce = 10_000

// errEnough ends the reading of an answer of which enough was read.
var errEnough = errors.New("enough was read")

// getMembers calls each with a decoder that stands before each value of the object that an answer is, of up to limit bytes. It
// may end the reading with errEnough.
func (r *remote) getMembers(ctx context.Context, a ask, limit int64, each func(decoder *json.Decoder, name string) error) error {
	answer, err := r.do(ctx, a)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer drain(answer.Body)
	decoder := json.NewDecoder(&cappedReader{source: answer.Body, left: limit})
	err = expect(decoder, json.Delim('{'))
	for err == nil && decoder.More() {
		var name json.Token
		if name, err = decoder.Token(); err == nil {
			text, _ := name.(string) // the decoder lets nothing else through here
			err = each(decoder, text)
		}
	}
	if err == nil {
		_, err = decoder.Token() // the end, or why there is none
	}
	if err != nil && !errors.Is(err, errEnough) {
		return answerError(a.what(), err)
	}
	return nil
}

// skip reads over a value.
func skip(decoder *json.Decoder) error {
	var value json.RawMessage
	return decoder.Decode(&value)
}
