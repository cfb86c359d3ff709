{{/* foretop.yaml and clusters.yaml, and what the rest of the chart reads out of them. */}}

{{/* The setting at a path such as "auth.mode"; empty where it is not set. */}}
{{- define "foretop.setting" -}}
{{- $value := .root.Values.config -}}
{{- range splitList "." .path -}}
{{- $value = dig . "" (default dict $value) -}}
{{- end -}}
{{ $value }}
{{- end }}

{{- define "foretop.authMode" -}}{{ include "foretop.setting" (dict "root" . "path" "auth.mode") }}{{- end }}
{{- define "foretop.authorizationMode" -}}
{{ default (ternary "shared" "" (eq (include "foretop.authMode" .) "dev")) (include "foretop.setting" (dict "root" . "path" "authorization.mode")) }}
{{- end }}
{{- define "foretop.upstream" -}}{{ default "pooled" (include "foretop.setting" (dict "root" . "path" "access.upstream")) }}{{- end }}
{{- define "foretop.watchesRbac" -}}{{ include "foretop.setting" (dict "root" . "path" "access.watchRbac") }}{{- end }}

{{/* "true" where a cluster of the registry is the one that the pod runs in. */}}
{{- define "foretop.inCluster" -}}
{{- range .Values.clusters }}{{ if eq .backend "in-cluster" }}true{{ break }}{{ end }}{{ end -}}
{{- end }}

{{/* `auth.mode: dev` lets everyone in, so it is reached through `kubectl port-forward` alone. */}}
{{- define "foretop.address" -}}
{{ ternary "127.0.0.1" .Values.bindAddress (eq (include "foretop.authMode" .) "dev") }}
{{- end }}

{{- define "foretop.config" -}}
{{- $config := deepCopy (default dict .Values.config) -}}
{{- $own := dict
  "clustersFile" "/etc/foretop/clusters/clusters.yaml"
  "server" (dict "listen" (printf "%s:8080" (include "foretop.address" .)))
  "manage" (dict "listen" (printf "%s:8081" .Values.bindAddress))
  "state" (dict "dir" "/var/lib/foretop") -}}
{{- with .Values.tls.secretName -}}
{{- $tls := dict "listen" (printf "%s:8443" (include "foretop.address" $)) "certFile" "/etc/foretop/tls/tls.crt" "keyFile" "/etc/foretop/tls/tls.key" -}}
{{- with $.Values.tls.clientCa -}}
{{- if .secretName }}{{ $_ := set $tls "clientCaFile" (printf "/etc/foretop/client-ca/%s" .key) }}{{ end -}}
{{- end -}}
{{- $_ := set $own.server "tls" $tls -}}
{{- end -}}
{{- $auth := dict -}}
{{- if eq (include "foretop.authMode" .) "oidc" -}}
{{- $keys := list -}}
{{- range .Values.secrets.session.keys }}{{ $keys = append $keys (printf "/etc/foretop/session/%s" .) }}{{ end -}}
{{- $_ := set $auth "session" (dict "keys" $keys) -}}
{{- $oidc := dict -}}
{{- with .Values.secrets.oidcClient -}}
{{- if .name }}{{ $_ := set $oidc "clientSecretFile" (printf "/etc/foretop/oidc-client/%s" .key) }}{{ end -}}
{{- end -}}
{{- if .Values.trust.configMap }}{{ $_ := set $oidc "caFile" (printf "/etc/foretop/trust/%s" .Values.trust.key) }}{{ end -}}
{{- $_ := set $auth "oidc" $oidc -}}
{{- end -}}
{{- if and .Values.trust.configMap (include "foretop.setting" (dict "root" . "path" "auth.bearer.issuer")) -}}
{{- $_ := set $auth "bearer" (dict "caFile" (printf "/etc/foretop/trust/%s" .Values.trust.key)) -}}
{{- end -}}
{{- if $auth }}{{ $_ := set $own "auth" $auth }}{{ end -}}
{{ toYaml (mergeOverwrite $config $own) }}
{{- end }}

{{- define "foretop.clusters" -}}
{{- $clusters := list -}}
{{- range .Values.clusters -}}
{{- $cluster := omit . "kubeconfigSecret" -}}
{{- with .kubeconfigSecret }}{{ $_ := set $cluster "kubeconfigPath" (printf "/etc/foretop/kubeconfigs/%s/%s" $cluster.name .key) }}{{ end -}}
{{- $clusters = append $clusters $cluster -}}
{{- end -}}
{{ toYaml (dict "clusters" $clusters) }}
{{- end }}

{{/* A duration such as 1m30s in whole seconds, rounded up; milliseconds count as one second. */}}
{{- define "foretop.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" (toString .) -1 -}}
{{- $number := regexFind "[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $seconds = add $seconds (get (dict "h" (mul $number 3600) "m" (mul $number 60) "s" $number "ms" 1) $unit) -}}
{{- end -}}
{{ $seconds }}
{{- end }}

{{/* Time to be told, to be drained, and for the last streams' last bytes and records. */}}
{{- define "foretop.graceSeconds" -}}
{{- $lame := include "foretop.seconds" (include "foretop.setting" (dict "root" . "path" "drain.lame")) | int -}}
{{- $window := include "foretop.seconds" (include "foretop.setting" (dict "root" . "path" "drain.window")) | int -}}
{{ add $lame $window 15 }}
{{- end }}
