//! Products against plain arithmetic, on every path that this processor has.

use super::*;
use crate::exec::kernels::Path;

fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32 * 4.0 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

/// Computes a * b + c as a path does, so that a path that rounds once is compared bit by bit.
fn fma(path: Path, a: f32, b: f32, c: f32) -> f32 {
    if path == Path::Portable { a * b + c } else { a.mul_add(b, c) }
}

/// A sum of products with gaps between all rows.
struct Case {
    path: Path,
    m: usize,
    n: usize,
    depths: Vec<usize>,
    /// The matrices, by element and column.
    matrices: Vec<Vec<f32>>,
    packed: Packed,
    rows: Vec<Vec<f32>>,
    added: Vec<Vec<f32>>,
}

const GAP: usize = 5;

impl Case {
    fn new(path: Path, m: usize, n: usize, depths: &[usize], added: usize) -> Case {
        let mut packed = Packed::new(path, depths, n);
        let mut matrices = Vec::new();
        for (term, k) in depths.iter().enumerate() {
            let matrix = numbers(k * n, term as u32 + 2);
            let of = Matrix { data: &matrix, first: 0, down: n, right: 1, rows: *k, columns: n };
            packed.fill(term, 0, of, false);
            matrices.push(matrix);
        }
        Case {
            path,
            m,
            n,
            depths: depths.to_vec(),
            matrices,
            packed,
            rows: depths.iter().map(|k| numbers(m * (k + GAP), *k as u32 + 9)).collect(),
            added: (0..added).map(|idx| numbers(m * (n + GAP), idx as u32 + 20)).collect(),
        }
    }

    fn expected(&self, i: usize, j: usize) -> f32 {
        let added = self.added.iter().map(|it| it[i * (self.n + GAP) + j]);
        let mut sum = added.reduce(|a, b| a + b).unwrap_or(0.0);
        for ((rows, matrix), k) in self.rows.iter().zip(&self.matrices).zip(&self.depths) {
            for at in 0..*k {
                sum = fma(self.path, rows[i * (k + GAP) + at], matrix[at * self.n + j], sum);
            }
        }
        sum
    }

    /// Runs some rows and panels, into rows that are farther apart than they are long.
    fn run(&self, results: &mut [f32], (begin, end): (usize, usize), set: PanelSet) {
        let to_row = self.n + GAP;
        let terms: Vec<RawRows> = (self.rows.iter().zip(&self.depths))
            .map(|(rows, k)| RawRows { at: rows[begin * (k + GAP)..].as_ptr(), row: k + GAP })
            .collect();
        let added: Vec<RawRows> = (self.added.iter())
            .map(|rows| RawRows { at: rows[begin * to_row..].as_ptr(), row: to_row })
            .collect();
        let to = RawResults { at: results[begin * to_row..].as_mut_ptr(), row: to_row };
        // SAFETY: all arrays have `m` rows with gaps after each.
        unsafe { self.packed.product(end - begin, &terms, &added, to, set) };
    }

    fn check(&self) {
        let to_row = self.n + GAP;
        let start = vec![77.0; self.m * to_row];
        let mut results = start.clone();
        self.run(&mut results, (0, self.m), self.packed.all());
        for (at, actual) in results.iter().enumerate() {
            let (i, j) = (at / to_row, at % to_row);
            let expected = if j < self.n { self.expected(i, j) } else { 77.0 };
            let what = (self.path, self.m, self.n, &self.depths, self.added.len());
            assert_eq!(actual.to_bits(), expected.to_bits(), "{what:?} {i} {j}");
        }
    }
}

#[test]
fn products_of_all_small_sizes() {
    for path in Path::available() {
        for m in (0..=14).chain([17, 25]) {
            for n in [0, 1, 3, 8, 15, 16, 17, 31, 33, 47, 48, 49, 64, 65, 129] {
                for (k, added) in [(0, 1), (1, 0), (2, 2), (7, 1), (33, 0)] {
                    Case::new(path, m, n, &[k], added).check();
                }
            }
        }
        // More elements than are summed at once, more rows than a block holds.
        Case::new(path, 13, 17, &[1500], 1).check();
        Case::new(path, 2, 130, &[1500], 1).check();
        Case::new(path, 107, 5, &[1100, 30], 2).check();
    }
}

#[test]
fn products_of_several_terms() {
    for path in Path::available() {
        for m in [1, 2, 3, 7, 13] {
            for n in [1, 16, 40, 70, 300] {
                for depths in [&[3, 5][..], &[0, 9], &[4, 0, 4, 1], &[], &[600, 600]] {
                    Case::new(path, m, n, depths, 1).check();
                }
            }
        }
    }
}

#[test]
fn one_row_and_results_are_added() {
    for path in Path::available() {
        for m in [1, 2, 5, 9] {
            for n in [7, 64, 150] {
                let case = Case::new(path, m, n, &[600], 0);
                let bias = numbers(n, 30);
                let start = numbers(m * n, 31);
                let mut results = start.clone();
                let to = RawResults { at: results.as_mut_ptr(), row: n };
                let added = [to.as_rows(), RawRows { at: bias.as_ptr(), row: 0 }];
                let rows = RawRows { at: case.rows[0].as_ptr(), row: 600 + GAP };
                // SAFETY: all arrays have `m` rows, and the bias serves for all.
                unsafe { case.packed.product(m, &[rows], &added, to, case.packed.all()) };
                for (at, actual) in results.iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let mut sum = start[at] + bias[j];
                    for k in 0..600 {
                        let row = case.rows[0][i * (600 + GAP) + k];
                        sum = fma(path, row, case.matrices[0][k * n + j], sum);
                    }
                    assert_eq!(actual.to_bits(), sum.to_bits(), "{path:?} {m} {n} {i} {j}");
                }
            }
        }
    }
}

#[test]
fn any_division_gives_the_same_bits() {
    for path in Path::available() {
        for n in [30, 200, 700] {
            let case = Case::new(path, 23, n, &[40, 600], 1);
            let mut whole = vec![77.0; 23 * (n + GAP)];
            case.run(&mut whole, (0, 23), case.packed.all());
            for parts in [2, 3, 5] {
                for rows in [1, 2, 4, 23] {
                    let mut divided = vec![77.0; whole.len()];
                    for part in 0..parts {
                        let count = case.packed.panels().saturating_sub(part).div_ceil(parts);
                        let apart = PanelSet { first: part, count, step: parts };
                        let set = if rows == 4 { case.packed.part(part, parts) } else { apart };
                        for begin in (0..23).step_by(rows) {
                            case.run(&mut divided, (begin, 23.min(begin + rows)), set);
                        }
                    }
                    assert!(divided == whole, "{path:?} {n} {parts} {rows}");
                }
            }
        }
    }
}

#[test]
fn panels_hold_all_columns() {
    for path in Path::available() {
        for n in 0..700 {
            let packed = Packed::new(path, &[0], n);
            let mut end = 0;
            for panel in 0..packed.panels() {
                let columns = packed.columns_of(panel);
                assert_eq!(columns.start, end);
                assert!(!columns.is_empty() && columns.len() <= packed.width());
                end = columns.end;
            }
            assert_eq!(end, n);
        }
    }
}

#[test]
fn panels_of_a_set_and_no_others() {
    for path in Path::available() {
        for m in [1, 2, 8] {
            let n = 600;
            let case = Case::new(path, m, n, &[9], 0);
            let mut results = vec![77.0; m * (n + GAP)];
            case.run(&mut results, (0, m), PanelSet { first: 1, count: 2, step: 3 });
            let asked = [1, 4].map(|panel| case.packed.columns_of(panel));
            for (at, actual) in results.iter().enumerate() {
                let (i, j) = (at / (n + GAP), at % (n + GAP));
                let is_asked = asked.iter().any(|it| it.contains(&j));
                let expected = if is_asked { case.expected(i, j) } else { 77.0 };
                assert_eq!(actual.to_bits(), expected.to_bits(), "{path:?} {m} {i} {j}");
            }
        }
    }
}

#[test]
fn matrices_in_any_order_side_by_side() {
    for path in Path::available() {
        for (k, widths) in [(1, [1, 2, 3]), (5, [16, 32, 16]), (40, [33, 70, 5]), (19, [64, 1, 64])]
        {
            let n: usize = widths.iter().sum();
            for order in 0..3 {
                let mut packed = Packed::new(path, &[2, k], n);
                let mut expected = vec![0.0; k * n];
                let mut column = 0;
                for (idx, columns) in widths.into_iter().enumerate() {
                    let (down, right) = match order {
                        0 => (columns + 3, 1),
                        1 => (1, k + 3),
                        _ => (2, 2 * k + 1),
                    };
                    let data = numbers(2 * (k + 3) * (columns + 3), idx as u32 + 1);
                    let of = Matrix { data: &data, first: 2, down, right, rows: k, columns };
                    // What is there is overwritten.
                    packed.fill(1, column, of, idx != 1);
                    packed.fill(1, column, of, idx == 1);
                    for at in 0..k {
                        for j in 0..columns {
                            let number = data[2 + at * down + j * right];
                            expected[at * n + column + j] = if idx == 1 { -number } else { number };
                        }
                    }
                    column += columns;
                }
                // Rows of the unit matrix show what was packed.
                let mut unit = vec![0.0; k * k];
                (0..k).for_each(|it| unit[it * (k + 1)] = 1.0);
                let zeros = [0.0; 2];
                let mut results = vec![77.0; k * n];
                let terms = [(&zeros[..], 0), (&unit[..], k)]
                    .map(|(it, row)| RawRows { at: it.as_ptr(), row });
                let to = RawResults { at: results.as_mut_ptr(), row: n };
                // SAFETY: the unit matrix has `k` rows; one row of zeros serves for all.
                unsafe { packed.product(k, &terms, &[], to, packed.all()) };
                assert_eq!(results, expected, "{path:?} {k} {widths:?} {order}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "a matrix lies in its array")]
fn a_matrix_that_leaves_its_array() {
    let of = Matrix { data: &[0.0; 11], first: 0, down: 4, right: 1, rows: 3, columns: 4 };
    Packed::new(Path::Portable, &[3], 4).fill(0, 0, of, false);
}

#[test]
#[should_panic(expected = "a matrix lies in the columns of a sum")]
fn a_matrix_that_is_too_wide() {
    let of = Matrix { data: &[0.0; 12], first: 0, down: 4, right: 1, rows: 3, columns: 4 };
    Packed::new(Path::Portable, &[3], 5).fill(0, 2, of, false);
}

#[test]
fn grams_of_spans() {
    for path in Path::available() {
        for (n_a, n_b) in [(1, 1), (7, 20), (33, 130), (130, 33), (17, 64), (70, 300), (400, 40)] {
            for counts in [&[][..], &[0], &[1], &[5, 0, 1, 300], &[37, 700]] {
                for accumulate in [false, true] {
                    gram_of(path, (n_a, n_b), counts, accumulate);
                }
            }
        }
    }
}

fn gram_of(path: Path, (n_a, n_b): (usize, usize), counts: &[usize], accumulate: bool) {
    let (a_row, b_row, to_row) = (n_a + 3, n_b + 2, n_b + GAP);
    let data: Vec<(Vec<f32>, Vec<f32>, usize)> = (counts.iter().enumerate())
        .map(|(idx, count)| {
            let seed = idx as u32;
            (numbers(count * a_row, seed + 1), numbers(count * b_row, seed + 40), *count)
        })
        .collect();
    let right: Vec<Span> =
        data.iter().map(|(_, b, count)| Span { at: b.as_ptr(), count: *count }).collect();
    let spans_from = |column: usize| -> Vec<*const f32> {
        data.iter().map(|(a, ..)| a.as_ptr().wrapping_add(column)).collect()
    };
    // Two left operands that happen to lie side by side.
    let (low, high) = (n_a / 3, n_a - n_a / 3);
    let (low_spans, high_spans) = (spans_from(0), spans_from(low));
    let start = numbers(n_a * to_row, 3);
    let mut expected = start.clone();
    for i in 0..n_a {
        for j in 0..n_b {
            let to = &mut expected[i * to_row + j];
            *to = if accumulate { *to } else { 0.0 };
            for (a, b, count) in &data {
                for r in 0..*count {
                    *to = fma(path, a[r * a_row + i], b[r * b_row + j], *to);
                }
            }
        }
    }
    let mut scratch = Scratch::default();
    for parts in [1, 2, 3, 8] {
        let mut results = start.clone();
        let to = results.as_mut_ptr();
        let left = |spans, columns, to| Left {
            spans,
            row: a_row,
            columns,
            to: RawResults { at: to, row: to_row },
        };
        let lefts =
            [left(&low_spans, low, to), left(&high_spans, high, to.wrapping_add(low * to_row))];
        let of = Gram { lefts: &lefts, right: &right, row: b_row, columns: n_b, accumulate };
        for part in 0..parts {
            // SAFETY: the spans have their rows, and the results as many as the left side columns.
            unsafe { gram(path, &of, (part, parts), &mut scratch) };
        }
        let same = results.iter().zip(&expected).all(|(a, e)| a.to_bits() == e.to_bits());
        assert!(same, "{path:?} {n_a} {n_b} {counts:?} {accumulate} {parts}");
    }
}

#[test]
fn sums_of_columns() {
    for path in Path::available() {
        for n in [0, 1, 9, 16, 128, 129, 300] {
            for accumulate in [false, true] {
                let data = [numbers(7 * (n + 3), 1), numbers(50 * (n + 3), 2)];
                let spans =
                    [(0, 7), (1, 50)].map(|(it, count)| Span { at: data[it].as_ptr(), count });
                let start = numbers(n, 3);
                let mut results = start.clone();
                // SAFETY: the spans have their rows.
                unsafe { column_sums(path, &spans, n + 3, &mut results, accumulate) };
                for j in 0..n {
                    let first = if accumulate { start[j] } else { 0.0 };
                    let all = data.iter().flat_map(|it| it.chunks_exact(n + 3));
                    let expected = all.fold(first, |sum, row| sum + row[j]);
                    assert_eq!(results[j].to_bits(), expected.to_bits(), "{path:?} {n} {j}");
                }
            }
        }
    }
}
