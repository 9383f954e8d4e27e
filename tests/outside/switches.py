"""Puts what cargo-mutants would change into a source file, each change behind a switch."""

import collections

ON = "crate::switch::on"
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
# Where no function may be called.
CONSTANT = {"const_item", "static_item", "const_block", "enum_variant", "array_type", "type_arguments"}
# What turns switches: the environment, once.
MODULE = """
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod switch {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    static CHOSEN: LazyLock<usize> = LazyLock::new(|| match std::env::var("MUTANT") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => usize::MAX,
    });
    static REACHED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MUTANTS_REACHED").ok());
    static SEEN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    pub fn on(number: usize) -> bool {
        if let Some(path) = &*REACHED && !SEEN[number].swap(true, Ordering::Relaxed) {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(format!("{number}\\n").as_bytes()).unwrap();
        }
        *CHOSEN == number
    }
}
"""


def module(count):
    """The text of the module that turns so many switches."""
    return MODULE.replace("COUNT", str(count))


class Source:
    """A file of which parts are put behind switches. What a switch adds to the text has a line of its own, where it is
    found again when it does not compile."""

    def __init__(self, text, parser):
        self.text = text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.root = parser.parse(text).root_node
        self.by_start = collections.defaultdict(list)
        # By the id of a node: its changes, those of what it is the condition for, and whether there is one in it.
        self.changes, self.guards, self.inside = collections.defaultdict(list), collections.defaultdict(list), set()
        pending = [self.root]
        while pending:
            node = pending.pop()
            self.by_start[node.start_byte].append(node)
            pending += node.children

    def add(self, number, mutant):
        """Takes a change in; false if it cannot be behind a switch."""
        node = self.target(mutant["genre"], *(self.offset(mutant["span"][end]) for end in ("start", "end")))
        if node is None or is_constant(node):
            return False
        of = self.guards if mutant["genre"] == "MatchArmGuard" else self.changes
        of[node.id].append((number, mutant["replacement"]))
        while node and node.id not in self.inside:
            self.inside.add(node.id)
            node = node.parent
        return True

    def written(self):
        """The whole text, with its switches."""
        return self.text[: self.root.start_byte].decode() + self.rendered(self.root)

    def offset(self, place):
        """The byte at a line and a column, both from 1."""
        start, end = self.starts[place["line"] - 1], self.starts[place["line"]]
        return start + len(self.text[start:end].decode()[: place["column"] - 1].encode())

    def target(self, genre, start, end):
        """The node that has to be written otherwise for a change from one byte to another."""
        for node in self.by_start[start]:
            parent = node.parent
            if genre == "BinaryOperator" and node.end_byte == end and parent:
                if parent.type in ("binary_expression", "compound_assignment_expr"):
                    return parent
            elif genre == "UnaryOperator" and node.type == "unary_expression":
                return node
            elif genre == "MatchArm" and node.type == "match_arm":
                return node
            elif genre == "MatchArmGuard" and is_guard(node):
                return node
            elif genre == "StructField" and node.type.endswith("field_initializer"):
                return node
            elif genre == "FnValue":
                while node and node.type != "function_item":
                    node = node.parent
                body = node and node.child_by_field_name("body")
                if body and body.start_byte < start and end < body.end_byte:
                    return body
        return None

    def between(self, first, last):
        """The text from one node's start to another's."""
        return self.text[first.start_byte : last.start_byte].decode()

    def rendered(self, node):
        """The text of a node, with its switches."""
        if node.id not in self.inside:
            return self.text[node.start_byte : node.end_byte].decode()
        changes = self.changes.get(node.id)
        text = self.switched(node, changes) if changes else self.children(node)
        for number, value in self.guards.get(node.id, []):
            text = f"\n({ON}({number}) || {text})" if value == "true" else f"\n(!{ON}({number}) && {text})"
        return text

    def children(self, node, first=0):
        """The text of a node from a child of it on, with the switches inside only."""
        text, at = "", node.children[first].start_byte if node.children else node.start_byte
        for child in node.children[first:]:
            text += self.text[at : child.start_byte].decode() + self.rendered(child)
            at = child.end_byte
        return text + self.text[at : node.end_byte].decode()

    def switched(self, node, changes):
        """The text of a node that is changed itself."""
        on = " || ".join(f"{ON}({number})" for number, _ in changes)
        if node.type == "block":
            returns = "".join(f"\nif {ON}({number}) {{ return {value}; }}" for number, value in changes)
            return "{" + returns + "\n" + self.children(node, 1)
        if node.type == "match_arm":
            return self.arm(node, on)
        if node.type == "unary_expression":
            operator, operand = node.children
            return f"({{ let __a = {self.rendered(operand)};\nif {on} {{ __a }}\nelse {{ {operator.type}__a }} }})"
        if node.type.endswith("field_initializer"):
            return self.field(node, on)
        return self.binary(node, changes, on)

    def binary(self, node, changes, on):
        """An operator between two that can be another."""
        left, operator, right = (node.child_by_field_name(name) for name in ("left", "operator", "right"))
        mark = operator.type
        if mark in ("&&", "||"):
            short, long = ("!__a", "__a") if mark == "&&" else ("__a", "!__a")
            return (
                f"({{ let __a: bool = {self.rendered(left)};\nif (if {on} {{ {short} }} else {{ {long} }})"
                f" {{ {self.rendered(right)} }} else {{ __a }} }})"
            )
        if node.type == "compound_assignment_expr":
            target = self.rendered(left)
            lines = "".join(f"\nif {ON}({number}) {{ {target} {other} __r }} else" for number, other in changes)
            return f"{{ let __r = {self.rendered(right)};{lines}\n{{ {target} {mark} __r }} }}"
        by, of = ("&", "*") if mark in COMPARISONS else ("", "")
        lines = "".join(f"\nif {ON}({number}) {{ {of}__a {other} {of}__b }} else" for number, other in changes)
        return (
            f"(match ({by}({self.rendered(left)}), {by}({self.rendered(right)})) {{ (__a, __b) => {lines}"
            f"\n{{ {of}__a {mark} {of}__b }} }})"
        )

    def arm(self, node, on):
        """A match arm that can be left out."""
        pattern = node.child_by_field_name("pattern")
        condition = pattern.child_by_field_name("condition")
        arrow = node.children[node.children.index(pattern) + 1]
        head = self.between(node, condition) if condition else self.text[node.start_byte : pattern.end_byte].decode() + " if "
        guard = f" && ({self.rendered(condition)})" if condition else ""
        rest = self.children(node, node.children.index(arrow))
        return f"{head}\n!({on}){guard}\n{rest}"

    def field(self, node, on):
        """A field of a struct expression that can be left to the base of it."""
        base = next(child for child in node.parent.children if child.type == "base_field_initializer")
        whole = node.parent.parent.child_by_field_name("name")
        kind, name = (self.text[n.start_byte : n.end_byte].decode() for n in (whole, node.children[0]))
        value = node.child_by_field_name("value")
        rest = self.text[base.children[1].start_byte : base.end_byte].decode()
        other = f"{rest}.{name}" if rest.isidentifier() else f"{{ let __base: {kind} = {rest}; __base.{name} }}"
        return f"{name}:\nif {on} {{ {other} }}\nelse {{ {self.rendered(value) if value else name} }}"


def is_guard(node):
    """Whether a node is the condition of a match arm."""
    parent = node.parent
    return parent is not None and parent.type == "match_pattern" and parent.child_by_field_name("condition") == node


def is_constant(node):
    """Whether a node is where no function may be called."""
    while node:
        if node.type in CONSTANT:
            return True
        if node.type == "function_item":
            return any(child.type == "function_modifiers" and b"const" in child.text for child in node.children)
        node = node.parent
    return False
