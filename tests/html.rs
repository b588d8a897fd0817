//! Pages become the text that a reader sees, whatever they are made of, within the bounds.

use std::fmt::Write as _;

use edgememo::html::{
    Format, HtmlError, MAX_DEPTH, MAX_INPUT_LEN, MAX_OUTPUT_LEN, Page, Part, convert,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use pulldown_cmark::{Event, Options, Parser, Tag};

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn page(html: &str, format: Format, part: Part) -> Page {
    convert(html, format, part).unwrap()
}

fn markdown(html: &str) -> String {
    page(html, Format::Markdown, Part::Page).content
}

fn text(html: &str) -> String {
    page(html, Format::Text, Part::Page).content
}

fn main_part(html: &str) -> String {
    page(html, Format::Markdown, Part::Main).content
}

#[test]
fn elements_become_markdown() {
    let cases = [
        ("plain text", "plain text"),
        ("", ""),
        ("<p>one</p>\n<p>two", "one\n\ntwo"),
        ("<div>one<div>two</div></div>three", "one\n\ntwo\n\nthree"),
        ("<h1> A <em>b</em></h1><h2>c<br>d</h2>", "# A *b*\n\n## c d"),
        ("<h1>a<h2>b</h2>c", "# a\n\n## b\n\nc"),
        ("a<br>b<br><br>c", "a  \nb\n\nc"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("<b>a</b><strong> b</strong> <i>c</i><em></em>", "**a b** *c*"),
        ("x<b> y </b>z", "x **y** z"),
        ("<p><b>a</p><p>b</b>c</p>", "**a**\n\n**b**c"),
        ("<q>a</q>", "\"a\""),
        ("<button>a</button><button>b</button>", "a b"),
        // Links and images.
        ("<a href='/x?a=1&amp;b=2'>t <b>u</b></a>!", "[t **u**](/x?a=1&b=2)!"),
        ("<a href=/x><h3>t</h3><p>u</p></a>v", "### [t](/x)\n\n[u](/x)\n\nv"),
        ("<a href=/x>a<a href=/y>b</a>c", "[a](/x)[b](/y)c"),
        ("<a href='#top'>a</a> <a>b</a> <a href=' java\nscript:x()'>c</a>", "a b c"),
        ("<a href='/a b(c)'>a</a><a href=/x></a>", "[a](/a%20b%28c%29)"),
        ("<img src=/x.png alt='a [b]'>", "![a \\[b\\]](/x.png)"),
        ("<a href=/x><img src=/y alt=z></a>", "[![z](/y)](/x)"),
        ("<img src=/x.png alt=''><img src='data:image/png;base64,AA' alt=b>", "b"),
        // Lists and quotations.
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"),
        ("<ol start=9><li>a</li><li>b</li></ol>", "9. a\n10. b"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ul><li>a</li><ul><li>b</li></ul><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ul><li>a<ol start=2><li>b</ol></ul>", "- a\n\n  2. b"),
        ("<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>", "- a\n\n  b\n- c"),
        ("<ul><li></li><li>a</li></ul><li>b", "- a\n- b"),
        ("<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n>\n> b\n\nc"),
        ("a<blockquote>b<blockquote>c</blockquote></blockquote>", "a\n\n> b\n>\n> > c"),
        ("<ul><li><blockquote>a<ul><li>b</ul></blockquote></ul>", "- > a\n  >\n  > - b"),
        ("<dl><dt>a<dd>b</dl>", "a\n\nb"),
        // Code.
        ("<code>a</code> <code>b`c</code> <code>`d</code>", "`a` ``b`c`` `` `d ``"),
        ("<code>a <b>*b*</b></code><a href=/x><code>c</code></a>", "`a *b*`[`c`](/x)"),
        ("<pre>\n a\n\n  <b>b</b>\n</pre>", "```\n a\n\n  b\n```"),
        ("<pre><code class='x lang-rust'>a<br>```</code></pre>b", "````rust\na\n```\n````\n\nb"),
        ("<pre><div>a</div><div>b</div></pre>", "```\na\nb\n```"),
        ("<ul><li>a<pre>b\n\nc</pre></ul>", "- a\n\n  ```\n  b\n\n  c\n  ```"),
        // Tables.
        ("<table><tr><th>a<th>b<tr><td>1|2</table>", "| a | b |\n| --- | --- |\n| 1\\|2 |"),
        (
            "<table><thead><tr><td>a</thead><tr><td><p>b</p>c<td><br></table>d",
            "| a |  |\n| --- | --- |\n| b c |  |\n\nd",
        ),
        ("<table><tr><td>a<tr><td>b</table>", "a\n\nb"),
        ("<table><tr><td><h2>a</h2><td>b</table>", "## a\n\nb"),
        (
            "<table><tr><td><table><tr><td>a<td>b</table><td>c</table>",
            "| a | b |\n| --- | --- |\n\nc",
        ),
        ("<blockquote><table><tr><td>a<td>b</table></blockquote>", "> | a | b |\n> | --- | --- |"),
        ("<table><caption>a</caption><tr><td>b</table><td>c", "a\n\nb\n\nc"),
    ];
    for (html, expected) in cases {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn what_markdown_would_take_for_marks_is_escaped() {
    let cases = [
        ("2 * 3 * 4 _a_ a_b `c` [d](e)", "2 \\* 3 \\* 4 \\_a\\_ a_b \\`c\\` \\[d\\](e)"),
        ("<p># a</p><p>- b</p><p>1. c</p><p>&gt; d</p>", "\\# a\n\n\\- b\n\n1\\. c\n\n\\> d"),
        ("<p>a</p><p>---<p>===<p>~~~", "a\n\n\\---\n\n\\===\n\n\\~\\~\\~"),
        ("a # - 1. > b", "a # - 1. > b"),
        ("&lt;b> a &lt; b &amp;lt; AT&amp;T", "\\<b> a < b \\&lt; AT&T"),
        ("C:\\dir", "C:\\\\dir"),
    ];
    for (html, expected) in cases {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn plain_text_has_neither_marks_nor_addresses() {
    let cases = [
        ("<h1>a</h1><p><b>b</b> *c* <a href=/x>d</a> <code>e</code>", "a\n\nb *c* d e"),
        ("<div>a</div><div>b</div><p>c</p>d<br>e", "a\nb\n\nc\n\nd\ne"),
        ("<ol><li>a<ul><li>b</ul></ol><blockquote>c</blockquote>", "1. a\n   - b\n\nc"),
        ("<pre>a\n  b</pre><img src=/x alt=c><hr>d", "a\n  b\n\nc\n\nd"),
        ("<table><tr><td>a<td>b<tr><td>c|d</table>", "a | b\nc|d"),
    ];
    for (html, expected) in cases {
        assert_eq!(text(html), expected, "{html}");
    }
}

#[test]
fn what_is_not_read_is_left_out() {
    let cases = [
        "<script>if (a < b) { document.write('<p>x</p>') }</script>",
        "<script><!-- <script> x </script> --></script>",
        "<style>x > y { }</style>",
        "<noscript><p>x</p></noscript>",
        "<template><p>x</p><template>y</template></template>",
        "<svg><title>x</title><style>x</style><text>y</text><svg><a>z</a></svg></svg>",
        "<svg><foreignObject><div>x</div></foreignObject><text>y</text></svg>",
        "<svg><![CDATA[ <p>x ]]></svg>",
        "<iframe><p>x</iframe><object><p>x</p></object><video>x</video><canvas>x</canvas>",
        "<select><option>x</select><textarea><p>x</textarea><datalist><option>x</datalist>",
        "<!-- <p>x</p> --><!doctype x><?xml x?></x>",
        "<div hidden><div>x</div>y</div><span aria-hidden=true>x</span><dialog>x</dialog>",
        "<img hidden alt=x src=/x><input hidden value=x>",
        "<title>x</title>",
        "\u{200b}\u{ad}\u{feff}\u{1}",
    ];
    for html in cases {
        assert_eq!(markdown(&format!("a{html}b")), "ab", "{html}");
        assert_eq!(text(&format!("a{html}b")), "ab", "{html}");
    }
}

#[test]
fn what_is_left_open_takes_little_along() {
    let cases = [
        ("a<svg><path>x<p>b</p>", "a\n\nb"),
        ("a <span hidden>x<p>b</p>", "a\n\nb"),
        ("<p hidden>x<p>b", "b"),
        ("<ul><li><b>a<li>b</ul>c", "- **a**\n- b\n\nc"),
        ("<a href=/x>a", "[a](/x)"),
        ("<code>a<p>b</p>", "`a`\n\n`b`"),
        ("<pre>a</p>b", "```\na\nb\n```"),
        ("</b></p></ul></td></table></h1></blockquote>a", "a"),
        ("<table><tr><td><ul><li>a</table>b</ul>", "- a\n\nb"),
        ("<b", ""),
        ("a<b c='", "a"),
        ("a<!-- b", "a"),
        ("a<script>b", "a"),
        ("a &am &#xD800; &#0; &notit; &#9999999;", "a &am \u{fffd} \u{fffd} ¬it; \u{fffd}"),
    ];
    for (html, expected) in cases {
        assert_eq!(markdown(html), expected, "{html}");
    }
}

#[test]
fn the_title_is_the_first_one_in_one_line() {
    let cases = [
        ("<title> A &amp;\n <b>b</b> </title><title>c</title>", Some("A & <b>b</b>")),
        ("<svg><title>a</title></svg><title>b</title>", Some("b")),
        ("<title> </title>", None),
        ("<p>a", None),
        ("<title>a", Some("a")),
    ];
    for (html, expected) in cases {
        let title = page(html, Format::Markdown, Part::Page).title;
        assert_eq!(title.as_deref(), expected, "{html}");
    }
}

#[test]
fn the_main_part_is_what_main_holds_or_all_but_what_surrounds_it() {
    let cases = [
        ("<nav>a</nav>b<main><p>c<nav>d</nav></p></main>e", "c"),
        ("<nav>a</nav><main> </main>e<footer>f</footer>", "e"),
        ("<div role=banner>a</div><header><h1>b</h1></header><aside>c</aside>", "# b"),
        ("<nav>a<ul><li>b<main>c</main>", "c"),
        ("<body role=search>a<table><tr><td><main>b</main><td>c</table>", "b"),
    ];
    for (html, expected) in cases {
        assert_eq!(main_part(html), expected, "{html}");
    }
    assert_eq!(markdown("<nav>a</nav><main>b</main>"), "a\n\nb");
}

#[test]
fn whole_pages_read_as_expected() {
    let article = include_str!("pages/article.html");
    assert_eq!(markdown(article) + "\n", include_str!("pages/article.md"));
    assert_eq!(
        page(article, Format::Text, Part::Main).content + "\n",
        include_str!("pages/article.txt")
    );
    assert_eq!(
        page(article, Format::Text, Part::Main).title.as_deref(),
        Some("Keeping bees on a roof – The Allotment")
    );
    assert_eq!(markdown(include_str!("pages/layout.html")) + "\n", include_str!("pages/layout.md"));
}

#[test]
fn what_exceeds_a_bound_is_refused_by_name() {
    let refused = |html: &str| convert(html, Format::Markdown, Part::Page).err();
    let deep = "<blockquote>".repeat(MAX_DEPTH);
    assert_eq!(refused(&deep), None);
    assert_eq!(refused(&format!("{deep}<ul>")), Some(HtmlError::TooDeep));
    let long = "a".repeat(MAX_INPUT_LEN);
    assert_eq!(refused(&long), None);
    assert_eq!(refused(&format!("{long}a")), Some(HtmlError::TooLarge));
    assert_eq!(refused("a\0b"), Some(HtmlError::Binary));
    // Each line begins with the marks of all quotations that it stands in.
    let amplified = deep + &"a<br>".repeat(100_000);
    assert_eq!(refused(&amplified), Some(HtmlError::OutputTooLarge));
}

#[test]
fn errors_say_what_to_do() {
    let cases = [
        (HtmlError::TooLarge, "the page is longer than 2097152 bytes: convert a part of it"),
        (HtmlError::Binary, "the page holds binary data: give the text of an HTML page"),
        (
            HtmlError::TooDeep,
            "the page nests lists, quotations and tables deeper than 256: convert a part of it",
        ),
        (
            HtmlError::OutputTooLarge,
            "the text of the page is longer than 4194304 bytes: convert a part of it",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
}

/// Each of them takes minutes, or the stack, where the time goes with the square of the length or
/// a function calls itself for what is nested.
#[test]
fn hostile_pages_end() {
    let n = MAX_INPUT_LEN / 8;
    let fill = |piece: &str| piece.repeat(n / piece.len());
    let attributes = (0..n / 10).fold(String::from("<a"), |mut tag, index| {
        let _ = write!(tag, " a{index}=1");
        tag
    });
    let nested = "<table><tr><td>".repeat(MAX_DEPTH / 3);
    let pages = [
        fill("<div>"),
        fill("<b>"),
        fill("<p><b><i><a href=/x><code>"),
        fill("<ul><li>"),
        fill("<li>x"),
        fill("<table><tr><td>"),
        fill("<table>"),
        fill("<td>x"),
        fill("<svg>"),
        fill("<template>"),
        fill("<x hidden>"),
        fill("</p>"),
        fill("</div>"),
        fill("</td></table>"),
        fill("<"),
        fill("&"),
        fill("&a"),
        fill("<!--"),
        fill("<script>"),
        fill("<pre>"),
        fill("<pre>\n`"),
        fill("<title>a"),
        fill("<title> </title>"),
        format!("<title>{}</title>{}", fill(" "), fill("<b>")),
        format!("<pre>{}{}", fill(" "), fill("<code>")),
        fill("*_[`"),
        fill("a<b>b</b>"),
        fill("<a href=/x>a"),
        fill("<h1>a"),
        fill("<br>"),
        fill("<hr>"),
        fill("<img alt=a src=/a>"),
        fill("\u{200b}"),
        attributes,
        format!("<a href=/{}>{}", fill("a"), fill("a<p>")),
        format!("<code>{}", fill("`")),
        format!("<table><tr>{}{}", "<td>a".repeat(n / 20), "<tr><td>a".repeat(n / 20)),
        format!("{nested}{}", fill("a<p>")),
        format!("{nested}{}", fill("</b></ul></li></h1>")),
        format!("<blockquote>{nested}<pre>{}", fill("\n")),
    ];
    for html in pages {
        for (format, part) in [(Format::Markdown, Part::Page), (Format::Text, Part::Main)] {
            match convert(&html, format, part) {
                Ok(page) => assert!(page.content.len() <= MAX_OUTPUT_LEN),
                Err(HtmlError::TooDeep | HtmlError::OutputTooLarge) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Pieces of pages: tags that are closed, misnested or left open, and text that looks like marks.
const PIECES: [&str; 72] = [
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b>",
    "</b>",
    "<em>",
    "</em>",
    "<a href=/x>",
    "</a>",
    "<code>",
    "</code>",
    "<pre>",
    "</pre>",
    "<h2>",
    "</h2>",
    "<ul>",
    "</ul>",
    "<ol>",
    "<ol start=4>",
    "</ol>",
    "<li>",
    "</li>",
    "<blockquote>",
    "</blockquote>",
    "<table>",
    "</table>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<br>",
    "<hr>",
    "<img src=/i alt=pic>",
    "<span hidden>",
    "</span>",
    "<svg>",
    "</svg>",
    "<script>",
    "</script>",
    "<main>",
    "</main>",
    "<nav>",
    "</nav>",
    "<!--",
    "-->",
    " ",
    "\n",
    "word",
    "two words ",
    "*",
    "**",
    "_",
    "`",
    "``",
    "[",
    "](",
    "#",
    "# ",
    "> ",
    "- ",
    "+ ",
    "1. ",
    "1) ",
    "~~~",
    "---",
    "===",
    "&lt;b>",
    "&amp;lt;",
    "\\",
    "|",
    "!",
];

fn pieces() -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_a_page(bytes in vec(any::<u8>(), 0..300)) {
        let html = String::from_utf8_lossy(&bytes);
        for format in [Format::Markdown, Format::Text] {
            let page = convert(&html, format, Part::Main);
            prop_assert_eq!(page == Err(HtmlError::Binary), html.contains('\0'));
        }
    }

    #[test]
    fn any_tags_are_a_page(html in pieces()) {
        for format in [Format::Markdown, Format::Text] {
            for part in [Part::Page, Part::Main] {
                let page = convert(&html, format, part);
                prop_assert!(page.is_ok(), "{page:?}");
                let content = page.map(|page| page.content).unwrap_or_default();
                prop_assert_eq!(content.trim_end(), &content);
                prop_assert!(!content.contains("\n\n\n") || html.contains("<pre>"), "{}", content);
            }
        }
    }

    /// Whatever a script holds, nothing of it is text, and what follows it is.
    #[test]
    fn scripts_and_styles_leave_nothing(html in pieces(), name in select(&["script", "style"][..])) {
        let html = html.replace("script", "b");
        let page = markdown(&format!("a <{name}>SECRET {html} SECRET</{name}> b"));
        prop_assert_eq!(page, "a b");
    }

    /// A reader of CommonMark finds in the Markdown what the plain text says.
    #[test]
    fn markdown_says_what_the_text_says(html in pieces()) {
        let content = markdown(&html);
        let mut read = String::new();
        for event in Parser::new_ext(&content, Options::ENABLE_TABLES) {
            match event {
                Event::Text(text) | Event::Code(text) => read.push_str(&text),
                Event::Html(_) | Event::InlineHtml(_) => prop_assert!(false, "HTML in {content}"),
                Event::Start(Tag::Link { dest_url, .. }) => prop_assert_eq!(&*dest_url, "/x"),
                Event::Start(Tag::Image { dest_url, .. }) => prop_assert_eq!(&*dest_url, "/i"),
                _ => {}
            }
        }
        prop_assert_eq!(essence(&read), essence(&text(&html)), "{}", content);
    }
}

/// A text without white space, without what stands between cells and before items, and without
/// asterisks: CommonMark does not take one within a word for a mark when punctuation follows.
fn essence(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && !"*|-1234567890.".contains(*char)).collect()
}
