"""Texts that try to act wherever they are written, for tests of everything that writes foreign texts."""

from __future__ import annotations

from hypothesis import strategies as st

#: What ends or begins something in some form.
PIECES = (
    *(
        "*/",
        "/*",
        "*",
        "/",
        "??/",
        "??'",
        "?",
        "\\",
        "\\\n",
        "\n",
        "\r",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x85",
        "\u2028",
    ),
    *(
        '"',
        "'",
        "`",
        "$(touch RAN)",
        "${IFS}",
        "`touch RAN`",
        ";touch RAN;",
        "|",
        "&",
        ">RAN",
        "#",
        "%n%s",
        "%",
    ),
    *(
        "int RAN(",
        "#error RAN\n",
        "]]>",
        "</script>",
        "<b>",
        "&lt;",
        "--",
        "-",
        "--RAN",
        "@RAN",
        "~",
        "!",
        "=",
        ":",
    ),
    *(
        "\r\nBcc: RAN@example.org",
        "\u202e",
        "\u2066",
        "\x00",
        "\ud800",
        "\udc80",
        "\ufe0f",
        "\x1b[2J",
        "é",
        "漢",
    ),
    *(
        "coding: utf_7",
        "coding=rot13",
        "+AAo-import os",
        "\nimport RAN\n",
        '"""',
        "$$",
        "\t",
        " ",
        "  ",
        "[a](b)",
    ),
    *("# a", "- a", "1. a", "{name}", "_a_", "**b**", "http://a", "a", "ab"),
)

#: Pieces in any order, and whatever else there is.
hostile_texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)
