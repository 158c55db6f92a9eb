// The editor: CodeMirror with the words of the program language, which come from the server.

import { autocompletion, completeFromList } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { setDiagnostics, lintGutter } from "@codemirror/lint";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, drawSelection, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/* The editor's names for the tokens of the language (pfnlab/programs/lang/tokens.py). */
const TAGS = {
  keyword: tags.heading,
  operation: tags.keyword,
  task: tags.labelName,
  name: tags.variableName,
  builtin: tags.typeName,
  function: tags.controlKeyword,
  mode: tags.atom,
  option: tags.modifier,
  number: tags.number,
  unit: tags.unit,
  text: tags.string,
  mark: tags.punctuation,
  comment: tags.comment,
};

const STYLE = HighlightStyle.define([
  { tag: tags.heading, color: "var(--code-header)" },
  { tag: [tags.keyword, tags.controlKeyword], color: "var(--code-verb)", fontWeight: "600" },
  { tag: [tags.typeName, tags.labelName], color: "var(--code-type)" },
  { tag: [tags.atom, tags.unit], color: "var(--code-atom)" },
  { tag: tags.modifier, color: "var(--code-word)" },
  { tag: tags.number, color: "var(--code-atom)" },
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
]);

const THEME = EditorView.theme({
  "&": { backgroundColor: "var(--paper)", color: "var(--ink)", fontSize: "0.9rem" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--ink)" },
  ".cm-scroller": { overflow: "auto", fontFamily: "var(--mono)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--sheet)", color: "var(--quiet)", borderRight: "1px solid var(--line)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--lit)" },
  ".cm-step": { backgroundColor: "var(--lit)", boxShadow: "inset 3px 0 var(--accent)" },
  ".cm-covered": { visibility: "hidden" },
  ".cm-made": { boxShadow: "inset 0 -2px var(--accent)" },
  ".cm-mistake": { color: "var(--bad)", fontSize: "0.9em", whiteSpace: "normal", boxSizing: "border-box", overflowWrap: "anywhere", paddingBottom: "2px" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
});

const markStep = StateEffect.define();
const markMade = StateEffect.define();
const markCovered = StateEffect.define();

/** The lines named by the last `mark`, with a class. */
function linesMarked(mark, name) {
  return StateField.define({
    create: () => Decoration.none,
    update(marks, transaction) {
      marks = marks.map(transaction.changes);
      for (const effect of transaction.effects) {
        if (!effect.is(mark)) continue;
        const { doc } = transaction.state;
        const there = effect.value.filter((number) => number && number <= doc.lines);
        marks = Decoration.set(there.map((number) => Decoration.line({ class: name }).range(doc.line(number).from)));
      }
      return marks;
    },
    provide: (field) => EditorView.decorations.from(field),
  });
}

/** The mistake in a line, shown below it. Screen readers get it from the page's own line. */
class MistakeBelow extends WidgetType {
  constructor(message, column) {
    super();
    this.message = message;
    this.column = column;
  }

  eq(other) {
    return other.message === this.message && other.column === this.column;
  }

  toDOM(view) {
    const below = document.createElement("div");
    below.className = "cm-mistake";
    below.setAttribute("aria-hidden", "true");
    below.style.paddingLeft = `calc(${Math.min(this.column - 1, FURTHEST)}ch + 6px)`;
    // No wider than the visible part, so that its end can be seen.
    const { scrollDOM, contentDOM } = view;
    below.style.maxWidth = `${Math.max(scrollDOM.clientWidth - contentDOM.offsetLeft - 8, 160)}px`;
    below.textContent = `↑ ${this.message}`;
    return below;
  }
}

/** The name that a program line defines, after its task and its `hold`. */
const GIVEN = /^\s*(?:[^#=]*:\s*)?(\w+)\s*=\s/;

const FURTHEST = 16; // letters; further right there is no room to read in

const markMistake = StateEffect.define();

const mistakeBelow = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    marks = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(markMistake)) continue;
      const wrong = effect.value;
      marks = wrong
        ? Decoration.set(
            Decoration.widget({ widget: new MistakeBelow(wrong.message, wrong.column), block: true, side: 1 }).range(wrong.at),
          )
        : Decoration.none;
    }
    return marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The language, built from its token table: the first matching rule of a context gives the token. */
function language(table, words) {
  const space = new RegExp(table.space, "y");
  const contexts = new Map();
  for (const [name, rules] of Object.entries(table.contexts))
    contexts.set(name, rules.map(([token, pattern, next]) => ({ token, next, pattern: new RegExp(pattern, "y") })));
  const matchAt = (pattern, stream) => {
    pattern.lastIndex = stream.pos;
    const match = pattern.exec(stream.string);
    if (!match || !match[0]) return false;
    stream.pos += match[0].length;
    return true;
  };
  const completions = Object.entries(words).flatMap(([kind, some]) =>
    some.map((label) => ({ label, type: kind === "operation" ? "function" : "keyword", detail: kind })),
  );
  return StreamLanguage.define({
    name: "pfnlab",
    startState: () => ({ context: table.start }),
    copyState: (state) => ({ ...state }),
    token(stream, state) {
      if (stream.sol()) state.context = table.start;
      if (matchAt(space, stream)) return null;
      for (const rule of contexts.get(state.context)) {
        if (!matchAt(rule.pattern, stream)) continue;
        state.context = rule.next;
        // The parser itself marks a mistake, with its reason.
        return rule.token === "error" ? null : rule.token;
      }
      stream.next();
      return null;
    },
    tokenTable: TAGS,
    languageData: { commentTokens: { line: "#" }, autocomplete: completeFromList(completions) },
  });
}

/** The editor in `parent`; `changed` is called with every text that the user writes. */
export function makeEditor(parent, start, changed) {
  const nonce = document.querySelector('meta[name="nonce"]').content;
  let telling = true;
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(),
        history(),
        drawSelection(),
        autocompletion({ icons: false }),
        lintGutter(),
        linesMarked(markStep, "cm-step"),
        linesMarked(markMade, "cm-made"),
        linesMarked(markCovered, "cm-covered"),
        mistakeBelow,
        keymap.of([...defaultKeymap, ...historyKeymap]),
        language(start.tokens, start.words),
        syntaxHighlighting(STYLE),
        THEME,
        EditorView.contentAttributes.of({ "aria-label": "Program text", "aria-describedby": "mistake" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && telling) changed(update.state.doc.toString());
        }),
      ],
    }),
  });
  view.scrollDOM.tabIndex = 0;
  view.scrollDOM.setAttribute("role", "group");
  view.scrollDOM.setAttribute("aria-label", "Editor");
  return {
    /** Show another text, without notifying listeners. */
    show(text) {
      if (text === view.state.doc.toString()) return;
      telling = false;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      telling = true;
    },
    /** Underline a mistake and describe it below the line; without an argument, clear it. */
    mistake(mistake) {
      const { doc } = view.state;
      const marks = [];
      let below = null;
      if (mistake) {
        const line = doc.line(Math.min(mistake.line, doc.lines));
        const from = Math.min(line.from + mistake.column - 1, line.to);
        const word = /^[^\s]+/.exec(doc.sliceString(from, line.to));
        marks.push({ from, to: from + (word ? word[0].length : 0), severity: "error", message: mistake.message });
        below = { at: line.to, message: mistake.message, column: mistake.column };
      }
      view.dispatch(setDiagnostics(view.state, marks), { effects: markMistake.of(below) });
    },
    /** Highlight the line of the step; none for 0. */
    line(number) {
      view.dispatch({ effects: markStep.of([number]) });
    },
    /** Mark the lines that define the mappings with these `names` in the picture; none if there are no names. */
    made(names) {
      const lines = view.state.doc.toString().split("\n");
      const found = lines.flatMap((line, at) => (names.has(GIVEN.exec(line)?.[1]) ? [at + 1] : []));
      view.dispatch({ effects: markMade.of(found) });
    },
    /** Hide or show the `expect` lines. */
    cover(on) {
      const lines = view.state.doc.toString().split("\n");
      const expects = lines.flatMap((line, at) => (/^\s*expect\b/.test(line) ? [at + 1] : []));
      view.dispatch({ effects: markCovered.of(on ? expects : []) });
    },
    get text() {
      return view.state.doc.toString();
    },
  };
}
