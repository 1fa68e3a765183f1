package caddysync

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// labelledValue is a metric among those of the same name.
type labelledValue struct {
	Labels map[string]string `json:"labels"`
	Value  any               `json:"value"`
}

// values are the store's metrics by name, as GET /_stats shows them: a number, or a list of
// numbers by labels. Of a histogram there are the count and the sum.
func (m *metrics) values() (map[string]any, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(m); err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	all := make(map[string]any, len(families))
	for _, family := range families {
		var list []labelledValue
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string, len(metric.GetLabel()))
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			var value any = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			if h := metric.GetHistogram(); h != nil {
				value = map[string]any{"count": h.GetSampleCount(), "sum": h.GetSampleSum()}
			}
			list = append(list, labelledValue{labels, value})
		}
		if len(list) == 1 && len(list[0].Labels) == 0 {
			all[family.GetName()] = list[0].Value
			continue
		}
		all[family.GetName()] = list
	}
	return all, nil
}
