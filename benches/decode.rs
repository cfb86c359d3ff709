//! Decoding, side by side: what Foretop does with a recorded line of each kind (line to finished row); the least that simd-json could do with
//! it (its tape, of which nothing is read yet); and, for pods, what a typed client does.

mod inner;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use foretop::kind::{self, Kind};
use inner::lines;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
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

    fn typed(&mut self, line: &[u8]) {
        self.line.clear();
        self.line.extend_from_slice(line);
        let typed: Typed<'_> =
            simd_json::serde::from_slice_with_buffers(&mut self.line, &mut self.buffers).expect("a pod");
        black_box((typed.change.len(), typed.object));
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

fn typed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("typed");
    let mut simd = Simd::new();
    let pods = kind::by_name("pods").expect("a kind");
    for (name, line) in [("pods", lines::recorded(pods)), ("pods, 7 kB", lines::POD.to_vec())] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(BenchmarkId::new("serde_json", name), |bencher| {
            bencher.iter(|| {
                let typed: Typed<'_> = serde_json::from_slice(black_box(&line)).expect("a pod");
                black_box((typed.change.len(), typed.object))
            });
        });
        group.bench_function(BenchmarkId::new("simd-json", name), |bencher| {
            bencher.iter(|| simd.typed(black_box(&line)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800)).sample_size(50);
    targets = rows, typed
}
criterion_main!(benches);
