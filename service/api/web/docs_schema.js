// Schemas of the OpenAPI document: what a type is called, and tables of fields.
import { element, grid } from "./dom.js";
import { inline } from "./markdown.js";

const nameOf = (reference) => reference.split("/").pop();
const separated = (parts, by) => parts.flatMap((part, i) => (i ? [by, ...part] : part));

/** @param {object} schema @returns {(string | HTMLElement)[]} words, with links to the schemas that have a name */
export function typeOf(schema = {}) {
  if (schema.$ref) return [element("a", nameOf(schema.$ref), { href: `#schema-${nameOf(schema.$ref)}` })];
  const choices = schema.anyOf || schema.oneOf || schema.allOf;
  if (choices) return separated(choices.map(typeOf), " or ");
  if (schema.const !== undefined) return [element("code", JSON.stringify(schema.const))];
  if (schema.enum) return separated(schema.enum.map((value) => [element("code", String(value))]), " ");
  if (schema.type === "array") return ["array of ", ...typeOf(schema.items)];
  const bounds = [["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"], ["maxLength", "length ≤"]]
    .filter(([field]) => schema[field] !== undefined).map(([field, sign]) => `${sign} ${schema[field]}`);
  const words = [schema.format && schema.format !== "binary" ? `${schema.type} (${schema.format})` : schema.format === "binary" ? "bytes" : schema.type || "any", ...bounds].join(", ");
  return schema.default === undefined ? [words] : [words, ", default ", element("code", JSON.stringify(schema.default))];
}

// A name, and a mark where it must be there.
export const marked = (name, isRequired) => element("span", "", {}, element("code", name), ...(isRequired ? [" ", element("strong", "required", { class: "required" })] : []));

export function fields(schema, label) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => [marked(name, required.has(name)), element("span", "", {}, ...typeOf(field)), element("span", "", {}, ...inline(field.description || ""))]);
  return grid(["field", "type", ""], rows, {}, label);
}

/** @param {Record<string, object>} schemas @returns {HTMLElement[]} */
export function schemaCards(schemas) {
  return Object.entries(schemas).map(([name, schema]) => {
    const card = element("details", "", { id: `schema-${name}` }, element("summary", "", {}, element("code", name)));
    if (schema.description) card.append(element("p", "", {}, ...inline(schema.description.replace(/\s+/g, " "))));
    if (schema.properties) card.append(fields(schema, `Fields of ${name}`));
    else card.append(element("p", "", {}, ...typeOf(schema)));
    return card;
  });
}
