// A program on a real kernel, which boots in the background and can be stopped.

import { ask } from "./ask.js";
import { place } from "./place.js";

/** The buttons for a kernel that is shown; `ran` is called after it has run the program. */
export function makeKernel(ran) {
  const byId = (id) => document.getElementById(id);
  let job = "";
  let machine = "";

  async function run() {
    let progress = await ask("kernel", { program: place.text, machine });
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

  return {
    /** Offer to run the program on the kernel `name`; no offer if the name is empty. */
    offer(name) {
      machine = name;
      byId("kernel-field").hidden = !name;
      byId("kernel-run").textContent = `Run on ${name}`;
      byId("kernel-run").title = `Boot ${name} in QEMU and run this program`;
    },
  };
}
