//! Strongly connected components of what waits for what: each after all that it waits for.
//!
//! Tarjan 1972, with a stack of its own, since chains are as long as cells. Of `a` that reads `b`, `b` that reads `c` and
//! `c` that reads `b`, the components are `b, c` and then `a`.

/// The search for strongly connected components.
pub struct Components {
    /// The time at which each vertex was found; 0 if it was not yet.
    found: Vec<u32>,
    /// The earliest found vertex that is known to be reached from each; those of whole components
    /// have the largest number.
    earliest: Vec<u32>,
    count: u32,
    /// The vertices on the way, and which of those that they wait for comes next.
    open: Vec<(usize, usize)>,
    /// Those whose component is not whole yet.
    held: Vec<usize>,
}

impl Components {
    /// Nothing is visited yet.
    pub fn new(vertices: usize) -> Components {
        Components {
            found: vec![0; vertices],
            earliest: vec![0; vertices],
            count: 0,
            open: Vec::new(),
            held: Vec::new(),
        }
    }

    fn enter(&mut self, vertex: usize) {
        self.count += 1;
        self.found[vertex] = self.count;
        self.earliest[vertex] = self.count;
        self.held.push(vertex);
        self.open.push((vertex, 0));
    }

    /// Gives the components that are reached from a vertex and were not given before.
    pub fn visit(
        &mut self,
        from: usize,
        waits_for: &dyn Fn(usize, usize) -> Option<usize>,
        give: &mut dyn FnMut(&[usize]),
    ) {
        if self.found[from] == 0 {
            self.enter(from);
        }
        while let Some((vertex, position)) = self.open.last_mut() {
            let vertex = *vertex;
            if let Some(next) = waits_for(vertex, *position) {
                *position += 1;
                match self.found[next] {
                    0 => self.enter(next),
                    _ => self.earliest[vertex] = self.earliest[vertex].min(self.earliest[next]),
                }
                continue;
            }
            self.open.pop();
            if let Some((before, _)) = self.open.last() {
                self.earliest[*before] = self.earliest[*before].min(self.earliest[vertex]);
            }
            if self.earliest[vertex] == self.found[vertex] {
                let begin = self.held.iter().rposition(|it| *it == vertex).unwrap_or(0);
                give(&self.held[begin..]);
                self.held.drain(begin..).for_each(|it| self.earliest[it] = u32::MAX);
            }
        }
    }
}
