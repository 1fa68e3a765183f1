package apidoc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Example is a request to an operation with what it was answered, as a reader sees them.
type Example struct{ Request, Answer string }

// markdown writes the description as a page.
type markdown struct {
	api      *API
	examples map[string]Example
	anchor   func(heading string) string
	// common are responses of many operations, by their name in the components: told once.
	common map[string]int // status
	out    strings.Builder
}

// Markdown is the description as a page for people: by topic, with an example each, by
// Operation.String. anchor makes the anchor of a heading.
func (a *API) Markdown(examples map[string]Example, anchor func(heading string) string) (string, error) {
	m := &markdown{api: a, examples: examples, anchor: anchor}
	if err := m.findCommon(); err != nil {
		return "", err
	}
	m.head()
	for _, t := range list(a.doc["tags"]) {
		if err := m.topic(object(t)); err != nil {
			return "", err
		}
	}
	m.errors()
	return m.out.String(), nil
}

func (m *markdown) printf(format string, args ...any) { fmt.Fprintf(&m.out, format, args...) }

func (m *markdown) head() {
	m.printf("# HTTP reference\n\n<!-- Made of api.yaml by `UPDATE_GOLDEN=1 go test -run HTTPReference ./test`: change that file. -->\n\n")
	m.printf("Made of [api.yaml](api.yaml) (OpenAPI 3.1), for reading; the examples are what a server answered. [http-api.md](http-api.md) says what is easy to miss.\n\n")
	m.printf("%s\n", strings.TrimSpace(text(object(m.api.doc["info"])["description"])))
	m.printf("\n## Topics\n\n")
	for _, t := range list(m.api.doc["tags"]) {
		name := text(object(t)["name"])
		m.printf("- [%s](#%s):", name, m.anchor(name))
		for i, o := range m.operations(name) {
			if i > 0 {
				m.printf(",")
			}
			m.printf(" [`%s`](#%s)", o, m.anchor(o.String()))
		}
		m.printf("\n")
	}
	m.printf("- [Errors](#errors)\n")
}

// order is that of methods on a page.
var order = []string{"GET", "PUT", "POST", "DELETE", "COPY"}

// operations are those of a topic, by their path and method.
func (m *markdown) operations(tag string) []*Operation {
	var found []*Operation
	for _, o := range m.api.Operations {
		if slices.Contains(list(m.raw(o)["tags"]), any(tag)) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b *Operation) int {
		if a.Path != b.Path {
			return strings.Compare(a.Path, b.Path)
		}
		return slices.Index(order, a.Method) - slices.Index(order, b.Method)
	})
	return found
}

// raw is an operation as the file has it.
func (m *markdown) raw(o *Operation) map[string]any {
	for member, method := range methods {
		if method == o.Method {
			return object(object(object(m.api.doc["paths"])[o.Path])[member])
		}
	}
	return nil
}

func (m *markdown) topic(tag map[string]any) error {
	name := text(tag["name"])
	m.printf("\n## %s\n", name)
	if d := text(tag["description"]); d != "" {
		m.printf("\n%s\n", d)
	}
	for _, o := range m.operations(name) {
		if err := m.operation(o); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
	}
	return nil
}

func (m *markdown) operation(o *Operation) error {
	raw := m.raw(o)
	summary := text(raw["summary"])
	if !strings.HasSuffix(summary, "?") {
		summary += "."
	}
	m.printf("\n### `%s`\n\n%s", o, summary)
	if d := text(raw["description"]); d != "" {
		m.printf(" %s", strings.TrimSpace(d))
	}
	m.printf(" *For %s.*\n", m.callers(o, raw))
	if err := m.parameters(o, raw); err != nil {
		return err
	}
	if err := m.body(raw); err != nil {
		return err
	}
	if err := m.answers(raw); err != nil {
		return err
	}
	if e, ok := m.examples[o.String()]; ok {
		m.printf("\n```http\n%s\n\n%s\n```\n", strings.TrimSpace(e.Request), strings.TrimSpace(e.Answer))
	}
	return nil
}

// callers says who may call an operation.
func (m *markdown) callers(o *Operation, raw map[string]any) string {
	security := list(raw["security"])
	open := len(security) == 1 && len(object(security[0])) == 0
	switch {
	case open && o.Admin && o.Public:
		return "everybody, without a sign-in"
	case open && o.Admin:
		return "everybody who may come to the administrator's site"
	case open:
		return "everybody, without a sign-in, on public sites"
	case o.Admin && o.Public:
		return "users and guests, within what they may see and do, and for administrators"
	case o.Admin:
		return "administrators"
	default:
		return "users, on public sites"
	}
}

func (m *markdown) parameters(o *Operation, raw map[string]any) error {
	var rows []string
	for _, p := range slices.Concat(list(object(object(m.api.doc["paths"])[o.Path])["parameters"]), list(raw["parameters"])) {
		parameter, err := m.api.resolve(p)
		if err != nil {
			return err
		}
		name := text(parameter["name"])
		if parameter["in"] == "path" && slices.Contains([]string{"db", "keyspace", "docid", "attachment"}, name) {
			continue // said at the top
		}
		kind, err := m.kind(parameter["schema"])
		if err != nil {
			return err
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, parameter["in"], kind, m.described(parameter)))
	}
	m.table("| Parameter | in | | |\n|---|---|---|---|\n", rows)
	return nil
}

func (m *markdown) table(head string, rows []string) {
	if len(rows) > 0 {
		m.printf("\n%s%s", head, strings.Join(rows, ""))
	}
}

// described is the description of a parameter or member, with its default.
func (m *markdown) described(p map[string]any) string {
	words := cell(p["description"])
	schema, _ := m.api.resolve(p["schema"])
	for _, from := range []map[string]any{p, schema} {
		if d, ok := from["default"]; ok {
			return strings.TrimSpace(fmt.Sprintf("%s Default: `%v`.", words, d))
		}
	}
	return words
}

func (m *markdown) body(raw map[string]any) error {
	if raw["requestBody"] == nil {
		return nil
	}
	body, err := m.api.resolve(raw["requestBody"])
	if err != nil {
		return err
	}
	content := object(body["content"])
	for _, media := range slices.Sorted(maps.Keys(content)) {
		schema := object(content[media])["schema"]
		kind, err := m.kind(schema)
		if err != nil {
			return err
		}
		m.printf("\nBody `%s`: %s.%s\n", media, kind, suffix(cell(body["description"])))
		members, err := m.memberRows(schema)
		if err != nil {
			return err
		}
		m.table("| Member | | |\n|---|---|---|\n", members)
	}
	return nil
}

func suffix(words string) string {
	if words == "" {
		return ""
	}
	return " " + words
}

// memberRows are the rows of a body's members, in all of its forms.
func (m *markdown) memberRows(v any) ([]string, error) {
	schema, err := m.api.resolve(v)
	if err != nil {
		return nil, err
	}
	var rows []string
	properties := object(schema["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, err := m.api.resolve(properties[name])
		if err != nil {
			return nil, err
		}
		kind, err := m.kind(properties[name])
		if err != nil {
			return nil, err
		}
		needed := ""
		if slices.Contains(list(schema["required"]), any(name)) {
			needed = ", required"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s%s | %s |\n", name, kind, needed, m.described(property)))
	}
	for _, s := range slices.Concat(list(schema["oneOf"]), list(schema["allOf"])) {
		more, err := m.memberRows(s)
		if err != nil {
			return nil, err
		}
		for _, row := range more {
			if !slices.Contains(rows, row) {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func (m *markdown) answers(raw map[string]any) error {
	var rows, common []string
	all := object(raw["responses"])
	for _, status := range slices.Sorted(maps.Keys(all)) {
		name := refName(all[status])
		if _, ok := m.common[name]; ok && status != "default" {
			common = append(common, status)
			continue
		}
		if status == "default" {
			continue
		}
		response, err := m.api.resolve(all[status])
		if err != nil {
			return err
		}
		rows = append(rows, fmt.Sprintf("| %s | %s |\n", status, cell(response["description"])))
	}
	if len(common) > 0 {
		rows = append(rows, fmt.Sprintf("| [%s](#errors) | |\n", strings.Join(common, ", ")))
	}
	m.table("| Answer | |\n|---|---|\n", rows)
	return nil
}

// often is from how many operations on an error is told once for all.
const often = 6

func (m *markdown) findCommon() error {
	uses, status := map[string]int{}, map[string]int{}
	for _, o := range m.api.Operations {
		for key, v := range object(m.raw(o)["responses"]) {
			n, err := strconv.Atoi(key)
			if name := refName(v); err == nil && n >= 400 && name != "" {
				uses[name]++
				status[name] = n
			}
		}
	}
	m.common = map[string]int{}
	for name, n := range uses {
		if n >= often {
			m.common[name] = status[name]
		}
	}
	return nil
}

// errors writes what is told once.
func (m *markdown) errors() {
	responses := object(object(m.api.doc["components"])["responses"])
	m.printf("\n## Errors\n\nThe body of each is `{\"error\",\"reason\"}`.\n\n| Answer | |\n|---|---|\n")
	names := slices.SortedFunc(maps.Keys(m.common), func(a, b string) int {
		if m.common[a] != m.common[b] {
			return m.common[a] - m.common[b]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		m.printf("| %d | %s |\n", m.common[name], cell(object(responses[name])["description"]))
	}
	m.printf("\n%s\n", strings.TrimSpace(text(object(responses["Otherwise"])["description"])))
}

// kind says of which type something is.
func (m *markdown) kind(v any) (string, error) {
	schema, err := m.api.resolve(v)
	if err != nil {
		return "", err
	}
	if values := list(schema["enum"]); len(values) > 0 {
		return choice(values), nil
	}
	if value, ok := schema["const"]; ok {
		return fmt.Sprintf("`%v`", value), nil
	}
	if forms := list(schema["oneOf"]); len(forms) > 0 {
		var kinds []string
		for _, f := range forms {
			kind, err := m.kind(f)
			if err != nil {
				return "", err
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
		return strings.Join(kinds, " or "), nil
	}
	switch kind := schema["type"].(type) {
	case string:
		if kind == "array" && schema["items"] != nil {
			of, err := m.kind(schema["items"])
			return "array of " + of, err
		}
		return kind, nil
	case []any:
		return strings.ReplaceAll(choice(kind), "`", ""), nil
	}
	return "JSON", nil
}

func choice(values []any) string {
	words := make([]string, 0, len(values))
	for _, v := range values {
		words = append(words, fmt.Sprintf("`%v`", v))
	}
	return strings.Join(words, ", ")
}

// refName is the last word of a $ref.
func refName(v any) string {
	ref, _ := object(v)["$ref"].(string)
	return ref[strings.LastIndex(ref, "/")+1:]
}

// cell is a description for a cell of a table.
func cell(v any) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text(v)), " "), "|", `\|`)
}

func text(v any) string { s, _ := v.(string); return s }
