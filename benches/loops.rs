//! The inner loops, timed.

mod inner;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn loops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loops");
    for inner in inner::ALL {
        let mut turn = (inner.make)();
        group.throughput(Throughput::Elements(inner.per_turn));
        group.bench_function(inner.name, |bencher| bencher.iter(&mut turn));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(300)).measurement_time(std::time::Duration::from_secs(1));
    targets = loops
}
criterion_main!(benches);
