// A text field for a list, which may also come from a file. Large files are kept beside the field: a browser
// that shows megabytes of text in a field is slow.
import { size } from "./dom.js";

const MOST_SHOWN = 500_000;
const PAUSE_MS = 200;

export class ListInput {
  /**
   * @param {HTMLTextAreaElement} area
   * @param {HTMLInputElement} picker of files
   * @param {HTMLElement} status
   * @param {(text: string) => string} describe a sentence about the text, "" for none
   */
  constructor(area, picker, status, describe) {
    Object.assign(this, { area, status, describe, file: null });
    area.addEventListener("input", () => {
      this.file = null;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.tell(), PAUSE_MS);
    });
    picker.addEventListener("change", async () => {
      const [file] = picker.files;
      picker.value = "";
      if (file) await this.take(file);
    });
  }

  /** @returns {string} */
  get text() {
    return this.file ? this.file.text : this.area.value;
  }

  set text(text) {
    this.file = null;
    this.area.value = text;
    this.tell();
  }

  /** @param {File} file */
  async take(file) {
    const text = await file.text();
    const isLarge = text.length > MOST_SHOWN;
    this.area.value = isLarge ? "" : text;
    this.file = isLarge ? { name: file.name, size: file.size, text } : null;
    this.tell();
  }

  tell() {
    const file = this.file ? `${this.file.name} (${size(this.file.size)}): ` : "";
    this.status.textContent = `${file}${this.describe(this.text)}`;
  }
}
