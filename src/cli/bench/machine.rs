//! Measures the peak of this machine: multiplications with additions, and memory moved, by as many threads as the engine has.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::exec::kernels::{Matrix, Packed, Path, Team};

/// A product whose operands and results stay in the L1 cache.
const M: usize = 6;
const K: usize = 128;
const N: usize = 64;

/// The rounds between two looks at the clock. What is built without optimisation only shows that it works.
const ROUNDS: usize = if cfg!(debug_assertions) { 20 } else { 10_000 };

/// Far more numbers than any cache holds.
const MOVED: usize = 1 << 24;

/// The best of what was seen; a machine that others use too is slower at times, never faster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Floating-point operations in a second, in thousands of millions.
    pub peak_gflops: f64,
    /// Bytes read and written in a second, in thousands of millions.
    pub bandwidth_gbs: f64,
}

/// The arrays of a measurement.
pub struct Probe {
    packed: Packed,
    team: Team,
    from: Vec<f32>,
    to: Vec<Mutex<Vec<f32>>>,
}

impl Probe {
    /// With numbers that do not grow.
    pub fn new(path: Path, threads: usize) -> Probe {
        let mut packed = Packed::new(path, &[K], N);
        let data: Vec<f32> = (0..K * N).map(|it| (it % 97) as f32 * 1e-3).collect();
        let matrix = Matrix { data: &data, first: 0, down: N, right: 1, rows: K, columns: N };
        packed.fill(0, 0, matrix, false);
        let team = Team::new(threads);
        let part = MOVED / team.parts();
        let to = (0..team.parts()).map(|_| Mutex::new(vec![0.0; part])).collect();
        Probe { packed, team, from: vec![1.0; MOVED], to }
    }

    /// Measures once, and keeps what is better.
    pub fn measure(&mut self, best: &mut Machine) {
        let begin = Instant::now();
        self.team.run(&|_| {
            let (rows, mut results) = (vec![0.5; M * K], vec![0.0; M * N]);
            for _ in 0..ROUNDS {
                self.packed.product_in(M, black_box(&rows), &mut results);
            }
            black_box(&results);
        });
        let flops = (self.team.parts() * ROUNDS * 2 * M * K * N) as f64;
        best.peak_gflops = best.peak_gflops.max(flops / begin.elapsed().as_secs_f64() * 1e-9);
        let begin = Instant::now();
        self.team.run(&|it| {
            let mut to = self.to[it.part].lock().unwrap_or_else(PoisonError::into_inner);
            let first = it.part * to.len();
            let len = to.len();
            to.copy_from_slice(black_box(&self.from[first..first + len]));
            black_box(&mut *to);
        });
        let bytes = (2 * 4 * (MOVED / self.team.parts()) * self.team.parts()) as f64;
        best.bandwidth_gbs = best.bandwidth_gbs.max(bytes / begin.elapsed().as_secs_f64() * 1e-9);
    }
}
