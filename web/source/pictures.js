// The pictures of steps, fetched ahead and kept until the story changes.

import { prepare } from "./picture.js";
import { place } from "./place.js";
import { work } from "./work.js";

const MOST_KEPT = 6;

/** An answer with the text of its picture and the picture itself. */
export function prepared(answer) {
  return { ...answer, text: answer.svg, svg: prepare(answer.svg) };
}

export function makePictures() {
  const kept = new Map();

  return {
    /** The picture and table of a step; `ahead` if fetched in advance. */
    of(question, ahead) {
      const { step } = question;
      const key = JSON.stringify(question);
      if (!kept.has(key)) {
        const { answer, ...rest } = work("picture", question);
        kept.set(key, { step, ...rest, answer: answer.then(prepared) });
      }
      const one = kept.get(key);
      one.waitFor(!ahead);
      kept.delete(key);
      kept.set(key, one);
      for (const [other, { step: its, giveUp }] of kept) {
        if (kept.size <= MOST_KEPT && Math.abs(its - place.step) <= MOST_KEPT / 2) continue;
        // If the user steps quickly, the steps passed are not needed.
        giveUp();
        kept.delete(other);
      }
      return one.answer;
    },
    clear: () => kept.clear(),
  };
}
