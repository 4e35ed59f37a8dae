// The same prediction from elsewhere, and how to load what it gives.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (text) => JSON.stringify(text);
const LONGEST_JSON = 400;
const LOADING = "# Batch-norm statistics are not predicted: before eval(), pass a few hundred images through in training mode.";

function loading({ kind, name }, file) {
  const make = kind === "torchvision" ? ["import torchvision", `model = torchvision.models.get_model(${python(name)})`] : ["", "model = ...  # your network"];
  return `${make[0]}${make[0] ? "\n" : ""}from safetensors.torch import load_file\n\n${make[1]}\nmodel.load_state_dict(load_file(${python(file)}), strict=False)\n${LOADING}\n`;
}

function requestOf({ kind, fileName, architecture }, options) {
  if (kind === "onnx" || fileName) {
    const fields = Object.entries(options).map(([field, value]) => ` \\\n  -F ${field}=${value}`).join("");
    return `-F architecture=@${fileName}${fields}`;
  }
  const text = JSON.stringify({ architecture, ...options });
  if (text.length > LONGEST_JSON) return `-H 'Content-Type: application/json' \\\n  -d @request.json   # {"architecture": {...}${Object.keys(options).length ? ", ..." : ""}}`;
  return `-H 'Content-Type: application/json' \\\n  -d ${quoted(text)}`;
}

function sourceOf({ kind, name, fileName, architecture }) {
  if (fileName) return [fileName, python(fileName)];
  if (kind === "torchvision") return [`torchvision:${name}`, python(`torchvision:${name}`)];
  const fields = Object.keys(architecture).sort().join();
  if (fields === "cell,format") return [quoted(`nasbench201:${architecture.cell}`), JSON.stringify(architecture)];
  return ["network.json", 'Path("network.json")'];
}

/**
 * @param {import("./source.js").Network} network
 * @param {object} options of the prediction that are not as by default
 * @returns {Record<string, string>} code by the name of its tab
 */
export function snippets(network, options) {
  const file = `${network.name.replace(/[^\w.-]+/g, "_")}.safetensors`;
  const { origin } = location, [shell, literal] = sourceOf(network);
  const said = Object.entries(options).map(([field, value]) => `, ${field}=${value === false ? "False" : python(value)}`).join("");
  const flags = `${options.model ? ` --model ${options.model}` : ""}${options.include_classifier === false ? " --no-classifier" : ""}`;
  return {
    PyTorch: loading(network, file),
    curl: `curl -s ${origin}/predict-weights -H 'Accept: application/octet-stream' \\\n  ${requestOf(network, options)} \\\n  -o ${file}\n`,
    "Python client": `${literal.startsWith("Path") ? "from pathlib import Path\n" : ""}from weightcast import Client\n\nwith Client(${python(origin)}) as client:\n    weights = client.predict_weights(${literal}${said})\nweights.save(${python(file)})   # or weights.apply_to(model)\n`,
    "Command line": `weightcast predict ${shell}${flags} -o ${file}\n`,
  };
}
