// The files of a prediction, made when they are asked for.
import { download } from "./api.js";
import { element, size } from "./dom.js";
import { runJob } from "./jobs.js";
import { problemCard } from "./problem.js";

const FILES = [["safetensors", "safetensors"], ["tiles", "tiles"], ["npz", "NumPy"], ["onnx", "ONNX, filled in"]];
const BYTES = { float32: 4, float16: 2, bfloat16: 2 };

// Of files that hold every number in full the size is known before they are made, but for a short header.
const sizeOf = (output, { num_parameters: numbers, weights }, dtype) => {
  if (output === "tiles") return weights.size * (BYTES[dtype] / 4);
  return numbers * BYTES[output === "onnx" ? "float32" : dtype];
};

/** @param {import("./source.js").Network} network @param {object} options @param {object} result of the prediction as tiles */
export function downloads(network, options, result) {
  const numbers = element("select", "", { "aria-label": "Number format" }, ...Object.keys(BYTES).map((name) => element("option", name)));
  const status = element("p", "", { class: "quiet small", role: "status" });
  const trouble = element("div");
  const buttons = FILES.filter(([output]) => output !== "onnx" || network.kind === "onnx").map(([output, title]) => {
    const button = element("button", "", { type: "button", class: "plain", "data-output": output });
    const name = () => { button.textContent = `${title}, ${output === "safetensors" || output === "tiles" ? "" : "about "}${size(sizeOf(output, result, numbers.value))}`; };
    numbers.addEventListener("change", name);
    name();
    button.addEventListener("click", async () => {
      button.disabled = true;
      trouble.replaceChildren();
      try {
        status.textContent = `Making the ${title} file…`;
        const asked = network.send({ ...options, output, dtype: numbers.value });
        const { result: made } = await runJob("/predict-weights", asked);
        status.textContent = `${title}, ${numbers.value}: ${size(made.weights.size)}, SHA-256 ${made.weights.sha256}`;
        await download(`${made.weights.url}?filename=${encodeURIComponent(network.name)}`);
      } catch (error) {
        status.textContent = "";
        trouble.replaceChildren(problemCard(error));
      }
      button.disabled = false;
    });
    return button;
  });
  const hint = element("p", "Tiles hold each distinct block once: the Python client unfolds them.", { class: "quiet small" });
  return element("section", "", { "aria-label": "Download" }, element("h3", "Download"), element("div", "", { class: "bar" }, ...buttons, numbers), hint, status, trouble);
}
