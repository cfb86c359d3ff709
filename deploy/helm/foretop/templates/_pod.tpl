{{/* The pod, the same in a Deployment and in a StatefulSet. */}}
{{- define "foretop.pod" -}}
metadata:
  labels:
    {{- include "foretop.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    {{- /* The registry is followed without a restart, so it is not part of this. */}}
    checksum/config: {{ include "foretop.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "foretop.serviceAccount" . }}
  automountServiceAccountToken: {{ if include "foretop.inCluster" . }}true{{ else }}false{{ end }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "foretop.graceSeconds" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: {{ .Values.seccomp.type }}
      {{- if eq .Values.seccomp.type "Localhost" }}
      localhostProfile: {{ .Values.seccomp.localhostProfile }}
      {{- end }}
  {{- with .Values.execPlugins }}
  initContainers:
    {{- range . }}
    - name: plugin-{{ .name }}
      image: {{ .image }}
      command: {{- toJson .command | nindent 8 }}
      securityContext: {{- include "foretop.containerSecurity" $ | nindent 8 }}
      volumeMounts:
        - {name: plugins, mountPath: /plugins}
    {{- end }}
  {{- end }}
  containers:
    - name: foretop
      image: {{ include "foretop.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/foretop/config/foretop.yaml]
      env:
        {{- with trim .Values.watchStreams.kinds }}
        - {name: FORETOP_WATCH_STREAMS, value: {{ . | quote }}}
        {{- end }}
        - {name: FORETOP_WATCH_PER_USER_LIMIT, value: {{ .Values.watchStreams.perUserLimit | int64 | quote }}}
        {{- if .Values.execPlugins }}
        - {name: PATH, value: "/plugins:/usr/local/bin:/usr/bin:/bin"}
        - {name: HOME, value: /tmp}
        {{- end }}
        {{- with .Values.extraEnv }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - {name: http, containerPort: 8080}
        {{- if .Values.tls.secretName }}
        - {name: https, containerPort: 8443}
        {{- end }}
        - {name: manage, containerPort: 8081}
      {{- /* Alive is what answers at all, so the management listener is asked: a listener for tabs that is full is not dead. Ready is what tabs can use. */}}
      startupProbe:
        httpGet: {path: /healthz, port: manage}
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: manage}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: {{ ternary "manage" "http" (eq (include "foretop.authMode" .) "dev") }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      securityContext: {{- include "foretop.containerSecurity" . | nindent 8 }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/foretop/config, readOnly: true}
        - {name: clusters, mountPath: /etc/foretop/clusters, readOnly: true}
        - {name: state, mountPath: /var/lib/foretop}
        {{- range $index, $cluster := .Values.clusters }}
        {{- if $cluster.kubeconfigSecret }}
        - {name: kubeconfig-{{ $index }}, mountPath: {{ printf "/etc/foretop/kubeconfigs/%s" $cluster.name | quote }}, readOnly: true}
        {{- end }}
        {{- end }}
        {{- range include "foretop.mounts" . | fromYamlArray }}
        - {name: {{ .name }}, mountPath: /etc/foretop/{{ .name }}, readOnly: true}
        {{- end }}
        {{- if .Values.execPlugins }}
        - {name: plugins, mountPath: /plugins, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - {name: config, configMap: {name: {{ include "foretop.fullname" . }}-config}}
    - {name: clusters, configMap: {name: {{ include "foretop.fullname" . }}-clusters}}
    {{- if not .Values.state.persistent }}
    - {name: state, emptyDir: {sizeLimit: {{ .Values.state.size }}}}
    {{- end }}
    {{- range $index, $cluster := .Values.clusters }}
    {{- with $cluster.kubeconfigSecret }}
    - {name: kubeconfig-{{ $index }}, secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: {{ .key }}}]}}
    {{- end }}
    {{- end }}
    {{- range include "foretop.mounts" . | fromYamlArray }}
    - {{ omit . "name" | merge (dict "name" .name) | toJson }}
    {{- end }}
    {{- if .Values.execPlugins }}
    - {name: plugins, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "foretop.selector" $ | nindent 10 }}
      matchLabelKeys: [{{ ternary "controller-revision-hash" "pod-template-hash" $.Values.state.persistent }}]
    {{- end }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end }}

{{- define "foretop.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Secrets and the ConfigMap that are mounted below /etc/foretop, each by its name. */}}
{{- define "foretop.mounts" -}}
{{- $mounts := list -}}
{{- $isOidc := eq (include "foretop.authMode" .) "oidc" -}}
{{- if $isOidc -}}
{{- $items := list -}}
{{- range .Values.secrets.session.keys }}{{ $items = append $items (dict "key" . "path" .) }}{{ end -}}
{{- $mounts = append $mounts (dict "name" "session" "secret" (dict "secretName" .Values.secrets.session.name "defaultMode" 0440 "items" $items)) -}}
{{- with .Values.secrets.oidcClient.name -}}
{{- $mounts = append $mounts (dict "name" "oidc-client" "secret" (dict "secretName" . "defaultMode" 0440)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.tls.secretName -}}
{{- $mounts = append $mounts (dict "name" "tls" "secret" (dict "secretName" . "defaultMode" 0440)) -}}
{{- end -}}
{{- with .Values.tls.clientCa.secretName -}}
{{- $mounts = append $mounts (dict "name" "client-ca" "secret" (dict "secretName" . "defaultMode" 0440)) -}}
{{- end -}}
{{- with .Values.trust.configMap -}}
{{- $mounts = append $mounts (dict "name" "trust" "configMap" (dict "name" .)) -}}
{{- end -}}
{{ toYaml $mounts }}
{{- end }}
