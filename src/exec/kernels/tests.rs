//! Products against plain arithmetic, on every path that this processor has.

use super::*;

pub(super) fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32 * 4.0 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn products_of_all_small_sizes() {
    for path in Path::available() {
        for m in [0, 1, 2, 3, 5, 6, 7, 8, 9, 13, 17] {
            for n in [0, 1, 3, 8, 15, 16, 17, 31, 33, 47, 48, 49, 65] {
                for k in [0, 1, 2, 7, 16, 33] {
                    product_of(path, m, n, k);
                }
            }
        }
        // More rows than a block holds.
        product_of(path, 101, 5, 1500);
    }
}

/// Rows with gaps between them, elements with a step, results with gaps, and what is added.
fn product_of(path: Path, m: usize, n: usize, k: usize) {
    let (row, step, gap) = (2 * k + 3, 2, n + 5);
    let a = numbers(m * row + 2 * k + 7, 1);
    let w = numbers(n * k, 2);
    let more = numbers(n, 3);
    let packed = Packed::new(path, k, n, |k, j| w[k * n + j]);
    let start = numbers(m * gap + 4, 4);
    let rows = Rows { data: &a, first: 1, row, step };
    let one = Rows { data: &more, first: 0, row: 0, step: 1 };
    for (what, added) in [Added::Nothing, Added::Results, Added::Rows(one)].into_iter().enumerate()
    {
        let mut c = start.clone();
        packed.product(
            m,
            rows,
            Results { data: &mut c, first: 2, row: gap },
            added,
            &Team::default(),
        );
        let mut expected: Vec<f64> = start.iter().map(|it| f64::from(*it)).collect();
        for i in 0..m {
            for j in 0..n {
                let at = 2 + i * gap + j;
                let before = match what {
                    0 => 0.0,
                    1 => f64::from(start[at]),
                    _ => f64::from(more[j]),
                };
                let term =
                    |q: usize| f64::from(a[1 + i * row + q * step]) * f64::from(w[q * n + j]);
                expected[at] = before + (0..k).map(term).sum::<f64>();
            }
        }
        for (at, (c, e)) in c.iter().zip(&expected).enumerate() {
            let close = (f64::from(*c) - e).abs() <= 2e-6 * (k as f64 + 1.0);
            assert!(close, "{path:?} {m}x{n}x{k}, {what}, {at}: {c} and {e}");
        }
    }
}
