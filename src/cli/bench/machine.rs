//! What this machine can do at most, measured: multiplications with additions of one core, and
//! numbers moved.

use std::hint::black_box;
use std::time::Instant;

use crate::exec::kernels::{Matrix, Packed, Path};

/// A product whose operands and results stay in the first cache.
const M: usize = 6;
const K: usize = 128;
const N: usize = 64;

/// How often it is done between two looks at the clock. What is built without optimisation only
/// shows that it works.
const ROUNDS: usize = if cfg!(debug_assertions) { 20 } else { 10_000 };

/// Far more numbers than any cache holds.
const MOVED: usize = 1 << 24;

/// The best of what was seen; a machine that others use too is slower at times, never faster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Floating-point operations in a second of one core, in thousands of millions.
    pub peak_gflops: f64,
    /// Bytes read and written in a second, in thousands of millions.
    pub bandwidth_gbs: f64,
}

/// What is measured with.
pub struct Probe {
    packed: Packed,
    rows: Vec<f32>,
    results: Vec<f32>,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Probe {
    /// With numbers that do not grow.
    pub fn new(path: Path) -> Probe {
        let mut packed = Packed::new(path, &[K], N);
        let data: Vec<f32> = (0..K * N).map(|it| (it % 97) as f32 * 1e-3).collect();
        let matrix = Matrix { data: &data, first: 0, down: N, right: 1, rows: K, columns: N };
        packed.fill(0, 0, matrix, false);
        Probe {
            packed,
            rows: vec![0.5; M * K],
            results: vec![0.0; M * N],
            from: vec![1.0; MOVED],
            to: vec![0.0; MOVED],
        }
    }

    /// Measures once, and keeps what is better.
    pub fn measure(&mut self, best: &mut Machine) {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            self.packed.product_in(M, black_box(&self.rows), &mut self.results);
        }
        black_box(&mut self.results);
        let flops = (ROUNDS * 2 * M * K * N) as f64;
        best.peak_gflops = best.peak_gflops.max(flops / begin.elapsed().as_secs_f64() * 1e-9);
        let begin = Instant::now();
        self.to.copy_from_slice(black_box(&self.from));
        black_box(&mut self.to);
        let bytes = (2 * 4 * MOVED) as f64;
        best.bandwidth_gbs = best.bandwidth_gbs.max(bytes / begin.elapsed().as_secs_f64() * 1e-9);
    }
}
