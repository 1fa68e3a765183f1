package rest

// designPrefix begins the IDs of design documents.
const designPrefix = "_design/"

// designDocs answers GET and POST /{db}/_design_docs: as _all_docs, but of design documents
// only.
func (h *Handler) designDocs(rq *request) error {
	p, err := h.params(rq)
	if err != nil {
		return err
	}
	options, err := parseAllDocsOptions(p)
	if err != nil {
		return err
	}
	options.onlyDesigns()
	return h.list(rq, options)
}

// onlyDesigns narrows a listing to design documents.
func (o *allDocsOptions) onlyDesigns() {
	const end = "_design0" // which follows all that begin with designPrefix, and is no ID
	o.designs = true
	o.low = max(o.low, designPrefix)
	if o.high == "" || o.high >= end {
		o.high, o.excludeEnd = end, false
	}
	if o.high < o.low {
		o.empty = true
	}
}
