//! The content of a drawing, without positions: boxes and the values that each reads.

use super::text::Rich;
use crate::text::Span;

/// One picture: the nodes of a cell's step.
#[derive(Clone, Debug)]
pub struct Diagram {
    /// The cell.
    pub name: String,
    /// The title above the frame.
    pub title: String,
    /// The nodes; what is read may come later than its reader.
    pub nodes: Vec<Node>,
    /// The number of states that are rails.
    pub rails: usize,
    /// The equations in words, for those who hear the drawing.
    pub words: Vec<String>,
    /// True if time runs against the eye: adjoints enter from the right.
    pub is_backward: bool,
}

/// A value that something reads: a node, and which of its values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Source {
    /// The node.
    pub node: usize,
    /// The result that is read, in the order of [`Node::ports`].
    pub port: usize,
}

/// One line into a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The source of the value.
    pub from: Source,
    /// True if it is subtracted where others are added.
    pub is_minus: bool,
    /// The place within an opened layer that it leads to.
    pub to: Option<usize>,
    /// True if it is the straight path of a state.
    pub is_rail: bool,
}

/// The shape that a node is drawn as.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A box with a head and lines.
    Box(Paint),
    /// A circle, or a pill when it has text beside the sign.
    Operator,
    /// A grey pill that only moves elements.
    Move,
    /// A value that enters or leaves at the frame.
    Pin(Pin),
    /// A closed layer with its states.
    Layer(Vec<String>),
    /// An opened layer: its step in a frame.
    Frame(Box<Diagram>),
}

/// The colour of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// Between 0 and 1.
    Gate,
    /// Not linear.
    Activation,
    /// Sums of products.
    Linear,
}

/// The kinds of values that enter or leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pin {
    /// A value of steps before, with how many steps back.
    Old(Vec<u32>),
    /// A value of this step from outside.
    Input,
    /// A value from outside that is the same at all steps of a sequence.
    Constant,
    /// Random bits.
    Mask,
    /// A target of a model, which it is trained on.
    Target,
    /// A feedback of a model: its own past output.
    Feedback,
    /// A new state, and whether it is returned too.
    New {
        /// True if the cell returns it.
        is_output: bool,
    },
    /// A value that the cell returns.
    Output,
    /// Another value that is read of an opened layer, or comes out of a backward step.
    Result,
}

impl Pin {
    /// Returns true if it is on the side where the step begins.
    pub fn is_given(&self) -> bool {
        match self {
            Pin::Old(_) | Pin::Input | Pin::Constant | Pin::Mask => true,
            Pin::Target | Pin::Feedback => true,
            Pin::New { .. } | Pin::Output | Pin::Result => false,
        }
    }

    /// Returns true if the line goes from one step to another.
    pub fn is_dashed(&self) -> bool {
        match self {
            Pin::Old(_) | Pin::Feedback | Pin::New { .. } => true,
            Pin::Input | Pin::Constant | Pin::Mask | Pin::Target => false,
            Pin::Output | Pin::Result => false,
        }
    }

    /// Returns its name for machines.
    pub fn word(&self) -> &'static str {
        match self {
            Pin::Old(_) => "old",
            Pin::Input | Pin::Constant => "input",
            Pin::Mask => "mask",
            Pin::Target => "target",
            Pin::Feedback => "feedback",
            Pin::New { .. } => "new",
            Pin::Output => "output",
            Pin::Result => "result",
        }
    }
}

/// One thing that is drawn.
#[derive(Clone, Debug)]
pub struct Node {
    /// As what.
    pub kind: Kind,
    /// The user's name for its value.
    pub name: Option<String>,
    /// The function or sign that it applies.
    pub function: Option<String>,
    /// The first line in a box, or the sign of an operator; the label of a pin.
    pub head: Rich,
    /// The lines below.
    pub lines: Vec<Rich>,
    /// The shape of its value, where it is known and has a name.
    pub shape: String,
    /// The text that a pointer over it shows.
    pub note: String,
    /// The values that it reads, each source once.
    pub reads: Vec<Read>,
    /// True if the order of the values that it reads says which operand is which.
    pub is_ordered: bool,
    /// The names of its results; one without a name unless it is a layer.
    pub ports: Vec<String>,
    /// True for a layer that runs from the end of a sequence.
    pub is_reversed: bool,
    /// The rail that it is on.
    pub rail: Option<usize>,
    /// The place in the source.
    pub span: Option<Span>,
}

impl Node {
    /// Returns a node of this kind, without anything.
    pub fn new(kind: Kind) -> Node {
        Node {
            kind,
            name: None,
            function: None,
            head: Rich::default(),
            lines: Vec::new(),
            shape: String::new(),
            note: String::new(),
            reads: Vec::new(),
            is_ordered: false,
            is_reversed: false,
            ports: vec![String::new()],
            rail: None,
            span: None,
        }
    }

    /// Reads a value, unless it does so already.
    pub fn read(&mut self, from: Source) {
        if self.reads.iter().all(|it| it.from != from) {
            self.reads.push(Read { from, is_minus: false, to: None, is_rail: false });
        }
    }

    /// Returns the word for its kind.
    pub fn word(&self) -> &'static str {
        match &self.kind {
            Kind::Box(Paint::Gate) => "gate",
            Kind::Box(Paint::Activation) => "activation",
            Kind::Box(Paint::Linear) => "sum",
            Kind::Operator => "operator",
            Kind::Move => "move",
            Kind::Pin(pin) => pin.word(),
            Kind::Layer(_) | Kind::Frame(_) => "layer",
        }
    }
}

impl Diagram {
    /// Returns the number of boxes and circles, those of opened layers too.
    pub fn size(&self) -> usize {
        let own = |it: &Node| match &it.kind {
            Kind::Frame(inner) => 1 + inner.size(),
            Kind::Pin(_) => 0,
            Kind::Box(_) | Kind::Operator | Kind::Move | Kind::Layer(_) => 1,
        };
        self.nodes.iter().map(own).sum()
    }

    /// Makes nodes that lie on the path of a state a rail.
    pub fn mark_rail(&mut self, path: &[usize]) {
        let rail = self.rails;
        for (at, node) in path.iter().enumerate() {
            let before = at.checked_sub(1).map(|it| path[it]);
            self.nodes[*node].rail = Some(rail);
            for read in &mut self.nodes[*node].reads {
                read.is_rail = Some(read.from.node) == before;
            }
        }
        self.rails += 1;
    }
}
