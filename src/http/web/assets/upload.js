// Sends a file in blocks. What arrived is not sent again: after a lost connection, and, with the same file
// once more, after the page was closed. Each block is proven by its sha256 where the browser has one.

import { ask, data, join, segments, send, session } from "./api.js";

/** Bytes of a block; what is no longer is sent as a whole. */
const BLOCK = 8 << 20;
/** How often a block is tried again, and how long it is waited before that, in ms. */
const PAUSES = [500, 1500, 4000];

const EXISTS = 251012;
const NO_UPLOAD = 251201;

function isPassing(error) {
  return [0, 408, 429, 502, 503, 504].includes(error.status);
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });
}

async function sha256(blob) {
  // Browsers have it on `https` and on this machine only.
  if (!globalThis.crypto?.subtle) return {};
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return { "X-BKREPO-SHA256": hex.join("") };
}

/** One file on its way. `state`: waiting, running, failed, exists, done, cancelled. */
export class Upload extends EventTarget {
  constructor(file, { project, repo, path, isPackage = false }) {
    super();
    Object.assign(this, { file, project, repo, path, isPackage });
    this.name = isPackage ? file.name : path;
    this.state = "waiting";
    this.sent = 0;
    this.rate = 0;
    this.error = null;
    this.replace = false;
  }

  get remembered() {
    const { name, size, lastModified } = this.file;
    return `packhold-upload ${JSON.stringify([session.userId, this.project, this.repo, this.path, name, size, lastModified])}`;
  }

  tell(state, error = null) {
    this.state = state;
    this.error = error;
    this.dispatchEvent(new Event("change"));
  }

  /** Sends it, or the rest of it. */
  async run() {
    this.control = new AbortController();
    this.tell("running");
    this.began = { at: performance.now(), sent: null };
    try {
      if (this.isPackage) await this.sendPackage();
      else if (this.file.size <= BLOCK) await this.sendWhole();
      else await this.sendBlocks();
      this.sent = this.file.size;
      this.tell("done");
    } catch (error) {
      if (error.name === "AbortError") this.tell("cancelled");
      else if (error.code === EXISTS && !this.replace) {
        this.sent = 0;
        this.tell("exists", error);
      } else this.tell("failed", error);
    }
  }

  /** Ends it, and has the service forget what arrived. */
  cancel() {
    this.control?.abort();
    const id = this.uploadId;
    this.forget();
    if (id) ask("DELETE", `generic/separate/${this.target}`, { more: { "X-BKREPO-UPLOAD-ID": id } }).catch(() => {});
    if (this.state !== "running") this.tell("cancelled");
  }

  get target() {
    return join(this.project, this.repo, ...segments(this.path));
  }

  get overwrite() {
    return this.replace ? { "X-BKREPO-OVERWRITE": "true" } : {};
  }

  progress(sent) {
    const now = performance.now();
    if (this.began.sent === null) this.began = { at: now, sent };
    const seconds = (now - this.began.at) / 1000;
    if (seconds > 0.5) this.rate = Math.max(0, (sent - this.began.sent) / seconds);
    this.sent = Math.min(sent, this.file.size);
    this.dispatchEvent(new Event("progress"));
  }

  async sendPackage() {
    const form = new FormData();
    form.append("file", this.file);
    const options = { signal: this.control.signal, progress: (sent) => this.progress(sent) };
    await send("POST", "api/v2/software-packages", form, options);
  }

  async sendWhole() {
    const more = { ...this.overwrite, ...(await sha256(this.file)) };
    await this.persist(() => this.put(this.file, 0, more));
  }

  put(body, at, more) {
    const progress = (sent) => this.progress(at + sent);
    const type = { "Content-Type": "application/octet-stream" };
    return send("PUT", `generic/${this.target}`, body, { more: { ...type, ...more }, signal: this.control.signal, progress });
  }

  async sendBlocks() {
    const have = await this.begin();
    for (let at = 0; at < this.file.size; at += BLOCK) {
      const block = this.file.slice(at, at + BLOCK);
      if (have.get(at) === block.size) {
        this.progress(at + block.size);
        continue;
      }
      const more = {
        "UPLOAD-TYPE": "SEPARATE-UPLOAD",
        "X-BKREPO-UPLOAD-ID": this.uploadId,
        "X-BKREPO-OFFSET": String(at),
        ...(await sha256(block)),
      };
      await this.persist(() => this.put(block, at, more));
    }
    const more = { "X-BKREPO-UPLOAD-ID": this.uploadId, "X-BKREPO-SIZE": String(this.file.size), ...this.overwrite };
    const finish = () => ask("PUT", `generic/separate/${this.target}`, { more, signal: this.control.signal });
    await this.persist(finish);
    this.forget();
  }

  /** Goes on with what was begun, or begins; gives the sizes of the blocks that arrived, by their offsets. */
  async begin() {
    const signal = this.control.signal;
    this.uploadId ??= this.recall();
    if (this.uploadId) {
      try {
        const more = { "X-BKREPO-UPLOAD-ID": this.uploadId };
        const blocks = await data("GET", `generic/separate/${this.target}`, { more, signal });
        return new Map(blocks.map((block) => [block.startPos, block.size]));
      } catch (error) {
        if (error.code !== NO_UPLOAD) throw error;
        this.forget();
      }
    }
    const started = await data("POST", `generic/separate/${this.target}`, { more: this.overwrite, signal });
    this.uploadId = started.uploadId;
    try {
      localStorage.setItem(this.remembered, this.uploadId);
    } catch {
      // It can be gone on with as long as the page is open.
    }
    return new Map();
  }

  recall() {
    try {
      return localStorage.getItem(this.remembered);
    } catch {
      return null;
    }
  }

  forget() {
    this.uploadId = null;
    try {
      localStorage.removeItem(this.remembered);
    } catch {
      // It was not remembered.
    }
  }

  /** Tries again what failed for now. */
  async persist(step) {
    for (const pause of PAUSES) {
      try {
        return await step();
      } catch (error) {
        if (!isPassing(error)) throw error;
        await wait(pause, this.control.signal);
      }
    }
    return step();
  }
}

/** All files of a drop or a choice, with their paths, those of folders too. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A folder comes in parts, until an empty one.
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (part.length === 0) return;
      for (const inner of part) await walk(inner, `${path}/${inner.name}`);
    }
  };
  for (const entry of entries) await walk(entry, entry.name);
  return found;
}
