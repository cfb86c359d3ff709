//! Decoding, side by side: what Foretop does with a recorded line of each kind (line to finished row), beside simd-json's tape of it, of which
//! nothing is read yet; for pods, one partial struct as `serde_json` and as simd-json fill it; and what a typed client does.

mod inner;

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use foretop::kind::{self, Kind};
use inner::lines;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde::de::IgnoredAny;
use simd_json::Buffers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A watch line as the cheapest typed client reads it: borrowed type, object in one go.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type")]
    change: &'a str,
    object: Pod,
}

/// A pod as far as a row needs it, in a struct that either decoder fills: Foretop's own are made for `serde_json`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Partial<'a> {
    #[serde(borrow)]
    object: PartialPod<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialPod<'a> {
    #[serde(borrow)]
    metadata: PartialMetadata<'a>,
    #[serde(borrow)]
    spec: PartialSpec<'a>,
    #[serde(borrow)]
    status: PartialStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialMetadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    #[serde(borrow)]
    creation_timestamp: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialSpec<'a> {
    #[serde(borrow)]
    node_name: Cow<'a, str>,
    containers: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialStatus<'a> {
    #[serde(borrow)]
    phase: Cow<'a, str>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Cow<'a, str>,
    container_statuses: Vec<PartialContainer>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PartialContainer {
    ready: bool,
    restart_count: i32,
}

impl Partial<'_> {
    /// All that was read, so that nothing of it can be left out.
    fn read(&self) -> usize {
        let PartialPod { metadata, spec, status } = &self.object;
        let texts =
            [&metadata.name, &metadata.namespace, &metadata.resource_version, &metadata.creation_timestamp];
        let texts = texts.into_iter().chain([&spec.node_name, &status.phase, &status.pod_ip]);
        let counts =
            status.container_statuses.iter().filter(|status| status.ready && status.restart_count == 0);
        texts.map(|text| text.len()).sum::<usize>() + spec.containers.len() + counts.count()
    }
}

/// simd-json reads a copy, which it changes; what it needs beside is used again.
struct Simd {
    line: Vec<u8>,
    buffers: Buffers,
}

impl Simd {
    fn new() -> Self {
        Simd { line: Vec::new(), buffers: Buffers::new(32 * 1024) }
    }

    fn tape(&mut self, line: &[u8]) {
        self.line.clear();
        self.line.extend_from_slice(line);
        black_box(simd_json::to_tape_with_buffers(&mut self.line, &mut self.buffers)).expect("JSON");
    }

    fn read<'a, T: Deserialize<'a>>(&'a mut self, line: &[u8]) -> T {
        self.line.clear();
        self.line.extend_from_slice(line);
        simd_json::serde::from_slice_with_buffers(&mut self.line, &mut self.buffers).expect("a pod")
    }
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let mut simd = Simd::new();
    let recorded = kind::all().iter().map(|kind| (kind, kind.name, lines::recorded(kind)));
    let pods: &Kind = kind::by_name("pods").expect("a kind");
    for (kind, name, line) in recorded.chain([(pods, "pods, 7 kB", lines::POD.to_vec())]) {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(BenchmarkId::new("line to row", name), |bencher| {
            bencher.iter(|| black_box((kind.decode_line)(black_box(&line))).expect("a line"));
        });
        group.bench_function(BenchmarkId::new("simd-json's tape alone", name), |bencher| {
            bencher.iter(|| simd.tape(black_box(&line)));
        });
    }
    group.finish();
}

fn pods(criterion: &mut Criterion) {
    let mut simd = Simd::new();
    let pods = kind::by_name("pods").expect("a kind");
    for (name, line) in [("recorded pod", lines::recorded(pods)), ("pod of 7 kB", lines::POD.to_vec())] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function("partial, serde_json", |bencher| {
            bencher.iter(|| serde_json::from_slice::<Partial<'_>>(black_box(&line)).expect("a pod").read());
        });
        group.bench_function("partial, simd-json", |bencher| {
            bencher.iter(|| simd.read::<Partial<'_>>(black_box(&line)).read());
        });
        group.bench_function("typed, serde_json", |bencher| {
            bencher.iter(|| {
                let typed: Typed<'_> = serde_json::from_slice(black_box(&line)).expect("a pod");
                black_box((typed.change.len(), typed.object))
            });
        });
        group.bench_function("typed, simd-json", |bencher| {
            bencher.iter(|| {
                let typed: Typed<'_> = simd.read(black_box(&line));
                black_box((typed.change.len(), typed.object))
            });
        });
        group.bench_function("line to frame", |bencher| bencher.iter(inner::feed::to_frame(&line)));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800)).sample_size(50);
    targets = pods, rows
}
criterion_main!(benches);
