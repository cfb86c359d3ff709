{{/* Rules to read the kinds that .kinds names, in the grammar of watchStreams.kinds. */}}
{{- define "foretop.kindRules" -}}
{{- $text := trim .kinds -}}
{{- $chosen := list -}}
{{- range splitList "," $text }}{{ $chosen = append $chosen (trim .) }}{{ end -}}
{{- $registry := .root.Files.Get "files/kinds.yaml" | fromYaml -}}
{{- $groups := list -}}
{{- $resources := dict -}}
{{- range $registry.kinds -}}
{{- if or (has $text (list "" "all")) (and (not (has $text (list "off" "none"))) (or (has .name $chosen) (has .group $chosen))) (has .name $.always) -}}
{{- if not (hasKey $resources .apiGroup) }}{{ $groups = append $groups .apiGroup }}{{ end -}}
{{- $_ := set $resources .apiGroup (append (default list (get $resources .apiGroup)) .resource) -}}
{{- end -}}
{{- end -}}
{{- range $groups }}
- apiGroups: [{{ . | quote }}]
  resources: [{{ join ", " (get $resources .) }}]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
