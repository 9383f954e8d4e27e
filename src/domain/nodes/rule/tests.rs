//! What patterns match, how values compare, and what rules say of their nodes.

use super::*;
use crate::format::meta::NodeId;
use crate::index::{Index, Place};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What `/a/f` answers, a file of 7 bytes.
fn ask(question: impl FnOnce(&Candidate<'_>)) {
    let index = Index::open(&Place::Memory, 1 << 20).expect("an index");
    let rows = index.reader().expect("rows");
    let node = Node::bare(
        NodeId(2),
        NodeKind::File {
            sha256: [0; 32],
            size: 7,
        },
    );
    question(&Candidate {
        rows: &rows,
        project: "p",
        repo: "r",
        path: "/a/f",
        node: &node,
    });
}

fn holds(candidate: &Candidate<'_>, field: &Field, op: Op) -> bool {
    let field = field.clone();
    let rule = Rule::Test(Test { field, op });
    rule.holds(candidate).expect("no row is asked")
}

#[test]
fn a_value_is_less_or_greater_than_its_own_kind_alone() {
    use Value::{Flag, Number};
    let (less, same, more) = (
        [true, true, false, false],
        [false, true, false, true],
        [false, false, true, true],
    );
    let another_kind = [false; 4];
    let ops: [fn(Value) -> Op; 4] = [Op::Less, Op::AtMost, Op::Greater, Op::AtLeast];
    ask(|file| {
        for (field, value, expected) in [
            (Field::Folder, Flag(true), less),
            (Field::Folder, Flag(false), same),
            (Field::Always(Flag(true)), Flag(false), more),
            (Field::Size, Number(8), less),
            (Field::Size, Number(7), same),
            (Field::Always(Number(9)), Number(7), more),
            (Field::Name, text("g"), less),
            (Field::Name, text("f"), same),
            (Field::Always(text("g")), text("f"), more),
            (Field::Folder, Number(0), another_kind),
            (Field::Folder, text("false"), another_kind),
            (Field::Size, Flag(true), another_kind),
            (Field::Size, text("7"), another_kind),
            (Field::Name, Flag(true), another_kind),
            (Field::Name, Number(0), another_kind),
            (Field::Never, Number(0), another_kind),
        ] {
            let found = ops.map(|op| holds(file, &field, op(value.clone())));
            assert_eq!(found, expected, "{field:?} {value:?}");
        }
    });
}

#[test]
fn only_texts_begin_end_or_match() {
    ask(|file| {
        for (field, is_text) in [
            (Field::Name, true),
            (Field::Always(text("")), true),
            (Field::Folder, false),
            (Field::Size, false),
            (Field::Never, false),
        ] {
            for op in [
                Op::Prefix(String::new()),
                Op::Suffix(String::new()),
                Op::Matches(Pattern::new("*", false)),
            ] {
                assert_eq!(holds(file, &field, op), is_text, "{field:?}");
            }
        }
    });
}

#[test]
fn what_all_nodes_have_is_the_value_of_each() {
    ask(|file| {
        for value in [Value::Flag(true), Value::Number(-3), text("x")] {
            let always = Field::Always(value.clone());
            let found = file.value(&always).expect("no row is asked");
            assert_eq!(found, Some(value.clone()));
            assert!(holds(file, &always, Op::In([value.clone()].into())));
            assert!(!holds(file, &always, Op::NotIn([value].into())));
            assert!(holds(file, &always, Op::NotNull));
        }
        assert_eq!(file.value(&Field::Never).expect("no row is asked"), None);
    });
}

#[test]
fn patterns() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "a/b", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a**b", "ab", true),
        ("*.tar.*", "x.tar.gz", true),
        ("*a*b*", "ba", false),
        ("*ab*ab", "abab", true),
        ("*ab*ab", "ab", false),
        ("文*", "文件", true),
        ("A*", "ab", false),
        ("?", "a", false),
    ] {
        assert_eq!(
            Pattern::new(pattern, false).matches(text),
            expected,
            "{pattern} {text}"
        );
    }
    assert!(Pattern::new("Ä*.TXT", true).matches("äb.txt"));
    assert_eq!(Pattern::new("/a*b", false).prefix(), "/a");
    assert_eq!(Pattern::new("/a*b", true).prefix(), "");
}

#[test]
fn names_that_all_must_have() {
    let is_in = |field: Field, texts: &[&str]| {
        let values = texts.iter().map(|text| Value::Text((*text).to_owned()));
        Rule::Test(Test {
            field,
            op: Op::In(values.collect()),
        })
    };
    let set = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    let project = || is_in(Field::Project, &["p", "q"]);
    let all = |rules| Rule::All(rules);
    assert_eq!(project().named(&Field::Project), set(&["p", "q"]));
    assert_eq!(project().named(&Field::Repo), None);
    let both = all(vec![
        all(vec![is_in(Field::Project, &["q", "r"])]),
        project(),
    ]);
    assert_eq!(both.named(&Field::Project), set(&["q"]));
    assert_eq!(Rule::Any(vec![project()]).named(&Field::Project), None);
    assert_eq!(Rule::None(vec![project()]).named(&Field::Project), None);
    let not = Rule::Test(Test {
        field: Field::Project,
        op: Op::NotIn([Value::Text("p".to_owned())].into()),
    });
    assert_eq!(all(vec![not]).named(&Field::Project), None);
}
