use std::f64::consts::LN_2;

use super::*;

fn made(kind: Kind, given: &[(Key, u64)]) -> Made {
    Task::new(kind, given).unwrap().make()
}

fn arrays(part: &Part) -> BTreeMap<&'static str, ArrayD<f64>> {
    let Part::Arrays(all) = part else { panic!("arrays") };
    let each = all.iter().map(|(name, it)| match it {
        Array::Real(it) => (*name, it.mapv(f64::from)),
        Array::Index(it) => (*name, it.mapv(|it| it as f64)),
    });
    each.collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} for {expected}");
}

#[test]
fn adding_marks_one_in_each_half() {
    let made = made(Kind::Adding, &[(Key::Steps, 7), (Key::Sequences, 40)]);
    let all = arrays(&made.train);
    let (x, sum) = (&all["input.x"], &all["target.sum"]);
    assert_eq!((x.shape(), sum.shape()), (&[7, 40, 2][..], &[40, 1][..]));
    for n in 0..40 {
        let marked: Vec<usize> = (0..7).filter(|t| x[[*t, n, 1]] == 1.0).collect();
        assert!(marked.len() == 2 && marked[0] < 3 && marked[1] >= 3, "{marked:?}");
        let expected: f64 = marked.iter().map(|t| x[[*t, n, 0]]).sum();
        assert!((sum[[n, 0]] - expected).abs() < 1e-6);
    }
    assert!(x.iter().all(|it| (0.0..=1.0).contains(it)));
    close(made.baseline["mse"], 1.0 / 6.0);
    assert_eq!(made.best["mse"], 0.0);
    assert_eq!(arrays(made.valid.as_ref().unwrap())["input.x"].shape(), [7, 4, 2]);
}

/// The figure is the variance of the sum, which many sequences show.
#[test]
fn the_baseline_of_adding_is_that_of_the_mean() {
    let made = made(Kind::Adding, &[(Key::Steps, 2), (Key::Sequences, 20_000), (Key::Valid, 0)]);
    let sum = &arrays(&made.train)["target.sum"];
    let mean = |f: fn(f64) -> f64| sum.iter().map(|it| f(*it)).sum::<f64>() / sum.len() as f64;
    assert!((mean(|it| (it - 1.0) * (it - 1.0)) - made.baseline["mse"]).abs() < 0.005);
    assert!((mean(|it| (it - 1.0).abs()) - made.baseline["mae"]).abs() < 0.005);
    assert!(made.valid.is_none());
}

#[test]
fn copy_gives_the_symbols_back() {
    let options = [(Key::Steps, 5), (Key::Symbols, 3), (Key::Length, 4), (Key::Sequences, 10)];
    let made = made(Kind::Copy, &options);
    let all = arrays(&made.train);
    let (token, symbol) = (&all["input.token"], &all["target.symbol"]);
    assert_eq!(token.shape(), [13, 10]);
    for n in 0..10 {
        for t in 0..13 {
            let (token, symbol) = (token[[t, n]], symbol[[t, n]]);
            match t {
                0..4 => assert!((1.0..=3.0).contains(&token) && symbol == 0.0),
                8 => assert!(token == 4.0 && symbol == 0.0),
                4..8 => assert!(token == 0.0 && symbol == 0.0),
                _ => assert!(token == 0.0 && symbol == all["input.token"][[t - 9, n]]),
            }
        }
    }
    close(made.baseline["nats"], 4.0 * 3f64.ln() / 13.0);
    close(made.baseline["accuracy"], (9.0 + 4.0 / 3.0) / 13.0);
    assert_eq!((made.best["nats"], made.best["perplexity"]), (0.0, 1.0));
}

#[test]
fn parity_counts_ones() {
    let made = made(Kind::Parity, &[(Key::Sequences, 30)]);
    let all = arrays(&made.train);
    for n in 0..30 {
        let mut ones = 0.0;
        for t in 0..20 {
            ones += all["input.x"][[t, n, 0]];
            assert_eq!(all["target.odd"][[t, n]], ones % 2.0);
            assert_eq!(all["input.step"][[t]], t as f64);
        }
    }
    close(made.baseline["nats"], LN_2);
    close(made.baseline["bits"], 1.0);
}

#[test]
fn strings_of_a_and_b_have_their_entropy() {
    let made = made(Kind::AnBn, &[(Key::Max, 5), (Key::Sequences, 50)]);
    let all = arrays(&made.train);
    for n in 0..50 {
        let length = all["lengths"][[n]] as usize;
        let half = (length - 1) / 2;
        let mut expected = vec![0.0];
        expected.extend(std::iter::repeat_n(1.0, half));
        expected.extend(std::iter::repeat_n(2.0, half));
        expected.push(3.0);
        for t in 0..length {
            assert_eq!(all["input.token"][[t, n]], expected[t]);
            assert_eq!(all["target.next"][[t, n]], expected[t + 1]);
        }
        assert!((1..=5).contains(&half));
    }
    // By hand: before each symbol the chance that the a's go on is known. The sum over n of 1..5 of
    // what is lost at each a is ln 5; 2 n + 1 targets are 7 in the mean.
    let lost: f64 = (1..=5)
        .map(|n: usize| {
            let goes_on = |k: usize| (5 - k) as f64 / (6 - k) as f64;
            let ends = if n < 5 { -(1.0 - goes_on(n)).ln() } else { 0.0 };
            (1..n).map(|k| -goes_on(k).ln()).sum::<f64>() + ends
        })
        .sum();
    close(made.best["nats"], lost / 5.0 / 7.0);
    let single = |p: f64| -p * p.ln();
    close(made.baseline["nats"], 2.0 * single(3.0 / 7.0) + single(1.0 / 7.0));
}

/// By hand: a string of the plain grammar has six branches in the mean and eight letters, so an embedded one has eleven targets.
#[test]
fn reber_strings_have_their_entropy() {
    let made = made(Kind::Reber, &[(Key::Sequences, 4000)]);
    close(made.best["nats"], 7.0 * LN_2 / 11.0);
    let single = |count: f64| -count / 11.0 * (count / 11.0).ln();
    let counts = [1.0, 2.5, 1.0, 1.0, 1.5, 2.0, 2.0];
    close(made.baseline["nats"], counts.into_iter().map(single).sum());
    let all = arrays(&made.train);
    let lengths = &all["lengths"];
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!((mean - 11.0).abs() < 0.2, "{mean}");
    for n in 0..100 {
        let length = lengths[[n]] as usize;
        let token = |t: usize| "BTSXVPE".as_bytes()[all["input.token"][[t, n]] as usize];
        assert_eq!((token(0), token(2)), (b'B', b'B'));
        assert_eq!(token(1), token(length - 1));
        assert_eq!(all["target.next"][[length - 1, n]], 6.0);
    }
}

#[test]
fn sine_waves_have_their_period() {
    let made = made(Kind::Sine, &[(Key::Sequences, 2000), (Key::Steps, 26)]);
    let value = &arrays(&made.train)["target.value"];
    let (mut squares, mut sizes) = (0.0, 0.0);
    for n in 0..2000 {
        assert!((value[[0, n, 0]] - value[[25, n, 0]]).abs() < 1e-5);
        let change = value[[1, n, 0]] - value[[0, n, 0]];
        squares += change * change / 2000.0;
        sizes += change.abs() / 2000.0;
    }
    assert!((squares / made.baseline["mse"] - 1.0).abs() < 0.05);
    assert!((sizes / made.baseline["mae"] - 1.0).abs() < 0.05);
}

/// The first values, from the same equations in Python.
#[test]
fn chaotic_series_begin_as_they_should() {
    let series = |made: &Made| match &made.train {
        Part::Series(_, rows) => rows.clone(),
        Part::Arrays(_) | Part::Text(_) => panic!("a series"),
    };
    let mackey = made(Kind::MackeyGlass, &[(Key::Steps, 3)]);
    let found: Vec<f32> = series(&mackey).iter().copied().collect();
    assert_eq!(found, MACKEY);
    let other = made(Kind::MackeyGlass, &[(Key::Steps, 3), (Key::Seed, 1)]);
    assert_ne!(series(&other), series(&mackey));
    let lorenz = made(Kind::Lorenz, &[(Key::Steps, 2)]);
    let rows = series(&lorenz);
    assert_eq!(rows.iter().copied().collect::<Vec<f32>>(), LORENZ);
    let mse: f64 = (0..3)
        .map(|it| f64::from(rows[[1, it]]) - f64::from(rows[[0, it]]))
        .map(|it| it * it)
        .sum();
    close(lorenz.baseline["mse"], mse / 3.0);
}

const MACKEY: [f32; 3] = [1.1300596, 1.0713071, 1.0113442];
const LORENZ: [f32; 6] = [13.136517, 10.573496, 35.63051, 12.463027, 8.346433, 36.142025];

/// The entropy rate is what the text has by its own counts, but for the chance of so many characters.
#[test]
fn a_text_of_a_chain_has_the_entropy_that_is_told() {
    for order in [1, 2] {
        let made =
            made(Kind::Markov, &[(Key::Symbols, 4), (Key::Order, order), (Key::Steps, 200_000)]);
        let Part::Text(text) = &made.train else { panic!("a text") };
        let symbols: Vec<usize> = text.bytes().map(|it| usize::from(it - b'a')).collect();
        assert_eq!(symbols.len(), 200_000);
        let context = order as usize;
        let mut counts = BTreeMap::<&[usize], [f64; 4]>::new();
        for window in symbols.windows(context + 1) {
            counts.entry(&window[..context]).or_default()[window[context]] += 1.0;
        }
        let total = (symbols.len() - context) as f64;
        let nats: f64 =
            counts.values().map(|it| it.iter().sum::<f64>() / total * entropy_of(it)).sum();
        assert!((nats / made.best["nats"] - 1.0).abs() < 0.01, "{nats} {:?}", made.best);
        let mut single = [0.0; 4];
        symbols.iter().for_each(|it| single[*it] += 1.0);
        assert!((entropy_of(&single) / made.baseline["nats"] - 1.0).abs() < 0.01);
        assert!(made.best["nats"] < 0.9 * made.baseline["nats"]);
        close(made.best["bits"], made.best["nats"] / LN_2);
    }
}

/// A sequence does not depend on how many there are; validation has draws of its own.
#[test]
fn sequences_depend_on_seed_and_number_alone() {
    for kind in [Kind::Adding, Kind::Copy, Kind::Parity, Kind::AnBn, Kind::Reber, Kind::Sine] {
        let two = made(kind, &[(Key::Sequences, 2), (Key::Valid, 2)]);
        let nine = made(kind, &[(Key::Sequences, 9)]);
        let other = made(kind, &[(Key::Sequences, 2), (Key::Seed, 1)]);
        let first = |part: &Part| {
            let all = arrays(part);
            let name = if kind == Kind::Sine {
                "target.value"
            } else if kind == Kind::Adding || kind == Kind::Parity {
                "input.x"
            } else {
                "input.token"
            };
            let lane = all[name].index_axis(ndarray::Axis(1), 0);
            lane.iter().copied().take(10).collect::<Vec<f64>>()
        };
        let (two_first, nine_first) = (first(&two.train), first(&nine.train));
        assert_eq!(two_first, nine_first, "{}", kind.name());
        if !matches!(kind, Kind::AnBn | Kind::Reber) {
            assert_ne!(two_first, first(two.valid.as_ref().unwrap()), "{}", kind.name());
            assert_ne!(two_first, first(&other.train), "{}", kind.name());
        }
        assert_eq!(made(kind, &[(Key::Sequences, 2), (Key::Valid, 2)]), two);
    }
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let fault = |kind: Kind, given: &[(Key, u64)]| Task::new(kind, given).unwrap_err();
    assert_eq!(fault(Kind::Lorenz, &[(Key::Seed, 1)]), "--seed: `lorenz` has --steps");
    assert_eq!(
        fault(Kind::Adding, &[(Key::Steps, 1)]),
        "--steps is 1; it is a whole number of 2 to 268435456"
    );
    assert!(fault(Kind::Markov, &[(Key::Symbols, 26), (Key::Order, 9)]).contains("larger than"));
    assert!(fault(Kind::Sine, &[(Key::Steps, 1 << 28)]).contains("larger than"));
}
