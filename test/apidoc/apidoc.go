// Package apidoc reads docs/api.yaml, so that tests can hold the code against it. It knows as
// much of OpenAPI 3.1 and of JSON Schema as that file uses, and refuses the rest.
package apidoc

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// API is the description of the HTTP interface.
type API struct {
	doc        map[string]any
	Operations []*Operation
	// Others are the statuses of paths that are no endpoints, by sample path and method.
	Others map[string]map[string][]int
}

// Operation is a method of a path.
type Operation struct {
	Method string // "GET"; "COPY" is written as x-copy
	Path   string // with {parameters}
	// Public and Admin say which sites have it.
	Public, Admin bool
	// Samples are paths with examples for the parameters.
	Samples []string
	// Query names the parameters of the query, Ignored those that the code reads and the
	// operation makes nothing of.
	Query, Ignored []string
	// Body names the members of the JSON body, Form those of the form.
	Body, Form []string
	// Responses are those that are listed by their status.
	Responses map[int]*Response
	// Otherwise are the statuses that default stands for.
	Otherwise []int
}

// Response is an answer of an operation.
type Response struct {
	// Ambient answers do not depend on the operation: one that gives them shows them for all.
	Ambient bool
	// AnsweredBy is the package whose code gives it.
	AnsweredBy string
	// Content is the schema of the body by media type; empty without a body.
	Content map[string]any
}

// String is the operation for a report.
func (o *Operation) String() string { return o.Method + " " + o.Path }

// Matches reports whether an escaped path is one of the operation's.
func (o *Operation) Matches(path string) bool {
	is, want := strings.Split(strings.Trim(path, "/"), "/"), strings.Split(strings.Trim(o.Path, "/"), "/")
	for i, part := range want {
		if i >= len(is) || part != is[i] && !strings.HasPrefix(part, "{") {
			return false
		}
	}
	return len(is) == len(want)
}

// Load reads a description.
func Load(path string) (*API, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the API's description: %w", err)
	}
	a := &API{}
	if err := yaml.Unmarshal(text, &a.doc); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	paths := object(a.doc["paths"])
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if err := a.addPath(p, object(paths[p])); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return a, a.addOthers()
}

func (a *API) addOthers() error {
	a.Others = map[string]map[string][]int{}
	for path, methods := range object(a.doc["x-other-paths"]) {
		a.Others[path] = map[string][]int{}
		for method, list := range object(methods) {
			statuses, err := statuses(list)
			if err != nil {
				return fmt.Errorf("x-other-paths: %s: %w", path, err)
			}
			a.Others[path][strings.ToUpper(method)] = statuses
		}
	}
	return nil
}

// methods are the members of a path that are operations.
var methods = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "x-copy": "COPY",
}

func (a *API) addPath(path string, item map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(item)) {
		method, ok := methods[key]
		if !ok && key != "parameters" && key != "x-answered-by" && key != "description" {
			return fmt.Errorf("member %s is not known", key)
		}
		if !ok {
			continue
		}
		o, err := a.operation(method, path, item, object(item[key]))
		if err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		a.Operations = append(a.Operations, o)
	}
	return nil
}

func (a *API) operation(method, path string, item, op map[string]any) (*Operation, error) {
	o := &Operation{Method: method, Path: path, Samples: []string{path}, Responses: map[int]*Response{}}
	if err := a.sites(o, list(op["tags"])); err != nil {
		return nil, err
	}
	for _, p := range slices.Concat(list(item["parameters"]), list(op["parameters"])) {
		parameter, err := a.resolve(p)
		if err != nil {
			return nil, err
		}
		name, _ := parameter["name"].(string)
		switch parameter["in"] {
		case "query":
			o.Query = append(o.Query, name)
		case "path":
			o.fill(name, examples(parameter))
		}
	}
	for _, name := range list(op["x-ignored-parameters"]) {
		o.Ignored = append(o.Ignored, fmt.Sprint(name))
	}
	if err := a.body(o, op["requestBody"]); err != nil {
		return nil, err
	}
	answeredBy, _ := item["x-answered-by"].(string)
	if answeredBy == "" {
		answeredBy = "rest"
	}
	return o, a.responses(o, object(op["responses"]), answeredBy)
}

// sites says by the operation's tags which sites have it.
func (a *API) sites(o *Operation, tags []any) error {
	for _, t := range list(a.doc["tags"]) {
		tag := object(t)
		if !slices.Contains(tags, tag["name"]) {
			continue
		}
		o.Public = o.Public || slices.Contains(list(tag["x-sites"]), any("public"))
		o.Admin = o.Admin || slices.Contains(list(tag["x-sites"]), any("admin"))
	}
	if !o.Public && !o.Admin {
		return errors.New("its tags do not say which sites have it")
	}
	return nil
}

// fill puts examples of a parameter into the samples.
func (o *Operation) fill(name string, values []string) {
	var filled []string
	for _, sample := range o.Samples {
		for _, value := range values {
			filled = append(filled, strings.ReplaceAll(sample, "{"+name+"}", url.PathEscape(value)))
		}
	}
	o.Samples = filled
}

func examples(parameter map[string]any) []string {
	if one, ok := parameter["example"]; ok {
		return []string{fmt.Sprint(one)}
	}
	all := object(parameter["examples"])
	var values []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		values = append(values, fmt.Sprint(object(all[name])["value"]))
	}
	return values
}

func (a *API) body(o *Operation, v any) error {
	if v == nil {
		return nil
	}
	body, err := a.resolve(v)
	if err != nil {
		return err
	}
	for media, into := range map[string]*[]string{"application/json": &o.Body, "application/x-www-form-urlencoded": &o.Form} {
		names := map[string]bool{}
		if err := a.members(object(object(object(body["content"])[media])["schema"]), names); err != nil {
			return err
		}
		*into = slices.Sorted(maps.Keys(names))
	}
	return nil
}

// members names the properties of a schema, in all of its forms.
func (a *API) members(schema map[string]any, into map[string]bool) error {
	schema, err := a.resolve(schema)
	if err != nil {
		return err
	}
	for name := range object(schema["properties"]) {
		into[name] = true
	}
	for _, s := range slices.Concat(list(schema["oneOf"]), list(schema["allOf"])) {
		if err := a.members(object(s), into); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) responses(o *Operation, all map[string]any, answeredBy string) error {
	for key, v := range all {
		response, err := a.resolve(v)
		if err != nil {
			return err
		}
		if key == "default" {
			if o.Otherwise, err = statuses(response["x-statuses"]); err != nil {
				return err
			}
			continue
		}
		status, err := strconv.Atoi(key)
		if err != nil {
			return fmt.Errorf("status %q: %w", key, err)
		}
		r := &Response{AnsweredBy: answeredBy, Content: map[string]any{}}
		r.Ambient, _ = response["x-ambient"].(bool)
		if by, ok := response["x-answered-by"].(string); ok {
			r.AnsweredBy = by
		}
		for media, content := range object(response["content"]) {
			r.Content[media] = object(content)["schema"]
		}
		o.Responses[status] = r
	}
	return nil
}

// Schema returns a schema of the components.
func (a *API) Schema(name string) (map[string]any, error) {
	return a.resolve(map[string]any{"$ref": "#/components/schemas/" + name})
}

// Members names the properties of a schema of the components, sorted.
func (a *API) Members(name string) ([]string, error) {
	schema, err := a.Schema(name)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	err = a.members(schema, names)
	return slices.Sorted(maps.Keys(names)), err
}

// resolve follows a $ref, if v is one.
func (a *API) resolve(v any) (map[string]any, error) {
	for {
		m := object(v)
		ref, ok := m["$ref"].(string)
		if !ok {
			return m, nil
		}
		at := any(a.doc)
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			at = object(at)[part]
		}
		if at == nil {
			return nil, fmt.Errorf("%s leads nowhere", ref)
		}
		v = at
	}
}

func statuses(v any) ([]int, error) {
	var all []int
	for _, status := range list(v) {
		n, ok := status.(int)
		if !ok {
			return nil, fmt.Errorf("%v is no status", status)
		}
		all = append(all, n)
	}
	return all, nil
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { l, _ := v.([]any); return l }
