// A program on a real kernel, which boots in the background and may be stopped.

import { ask } from "./ask.js";
import { kernelShown } from "./machines.js";
import { place } from "./place.js";

/** Hear the buttons; `ran` hears that the kernel has run the program. */
export function hearKernel(ran) {
  const byId = (id) => document.getElementById(id);
  let job = "";

  async function run() {
    let progress = await ask("kernel", { program: place.text, machine: kernelShown() });
    job = progress.job || "";
    byId("kernel-stop").hidden = !job;
    byId("kernel-run").disabled = Boolean(job);
    while (job && !progress.refused && !progress.done) {
      byId("kernel-said").textContent = `${progress.said || "booting"} (${progress.seconds} s)`;
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (job) progress = await ask("job", { job });
    }
    const stopped = !job && !progress.refused && !progress.mistake;
    job = "";
    byId("kernel-stop").hidden = true;
    byId("kernel-run").disabled = false;
    const trouble = progress.refused || progress.failed || progress.mistake?.message;
    byId("kernel-said").textContent = stopped ? "stopped" : trouble || `${progress.answer.kernel}, ${progress.seconds} s`;
    if (!stopped && !trouble) ran();
  }

  byId("kernel-run").addEventListener("click", run);
  byId("kernel-stop").addEventListener("click", async () => {
    const stopped = job;
    job = "";
    await ask("job", { job: stopped, stop: true });
  });
}
