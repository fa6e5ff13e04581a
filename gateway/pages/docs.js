// The API page: lists what /openapi.json describes, and lets one try it.
"use strict";

const byId = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  Object.entries(attributes).forEach(([k, v]) => { e[k] = v; });
  e.append(...children);
  return e;
}

// signIn begins a session and puts its token into the field; it holds for ten
// minutes.
async function signIn() {
  const reply = await fetch("/v1/sessions:signIn", {
    method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify({ login: byId("login").value, password: byId("password").value, secondFactor: byId("factor").value }),
  });
  const got = await reply.json();
  byId("password").value = byId("factor").value = "";
  byId("signed").textContent = reply.ok ? "" : got.detail;
  if (reply.ok) byId("token").value = got.accessToken;
}

// sample makes a message that shows the fields of a schema; those that only
// the server sets are in an answer and not in a body.
function sample(doc, schema, depth = 0, answer = false) {
  if (!schema || depth > 5) return null;
  if (schema.$ref) return sample(doc, doc.definitions[schema.$ref.split("/").pop()], depth + 1, answer);
  if (schema.enum) return schema.enum[Math.min(1, schema.enum.length - 1)];
  if (schema.type === "array") return [sample(doc, schema.items, depth + 1, answer)];
  if (schema.type === "object" || schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties || {})
      .filter(([, p]) => answer || !p.readOnly).map(([name, p]) => [name, sample(doc, p, depth + 1, answer)]));
  }
  if (schema.format === "date-time") return "2013-01-01T09:00:00+08:00";
  return { string: "", integer: 0, number: 0, boolean: false }[schema.type] ?? null;
}

function tryForm(doc, path, method, operation) {
  const inputs = {};
  const rows = (operation.parameters || []).filter((p) => p.in !== "body").map((p) => {
    inputs[p.name] = el("input", { title: p.name });
    return el("tr", {}, el("td", {}, el("code", {}, p.name)), el("td", {}, p.in), el("td", {}, p.description || ""), el("td", {}, inputs[p.name]));
  });
  const body = (operation.parameters || []).find((p) => p.in === "body");
  const text = body && el("textarea", { title: "body",
    value: body.schema.format === "binary" ? "" : JSON.stringify(sample(doc, body.schema), null, 2) });
  const binary = body?.schema.format === "binary";
  const file = binary ? el("input", { type: "file", title: "file", accept: (operation.consumes || []).join(",") }) : "";
  const answer = el("pre", { hidden: true });
  const send = el("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    let url = path;
    const query = new URLSearchParams();
    (operation.parameters || []).forEach((p) => {
      const value = inputs[p.name]?.value;
      if (p.in === "path") url = url.replace(`{${p.name}}`, encodeURIComponent(value));
      if (p.in === "query" && value) query.set(p.name, value);
    });
    const headers = { Authorization: "Bearer " + byId("token").value };
    const chosen = binary ? file.files[0] : null;
    const workbook = (operation.consumes || []).find((type) => type.includes("spreadsheetml"));
    if (text) headers["Content-Type"] = binary ? (workbook && chosen?.name.toLowerCase().endsWith(".xlsx") ? workbook : "text/csv") : "application/json";
    if (method !== "get") headers["Idempotency-Key"] = crypto.randomUUID();
    const reply = await fetch(url + (query.size ? "?" + query : ""), { method: method.toUpperCase(), headers, body: chosen || text?.value });
    const got = await reply.text();
    answer.hidden = false;
    try {
      answer.textContent = reply.status + "\n" + JSON.stringify(JSON.parse(got), null, 2);
    } catch {
      answer.textContent = reply.status + "\n" + got;
    }
  });
  const reply = operation.responses["200"]?.schema;
  const shape = reply ? el("details", {}, el("summary", {}, "Answer"),
    el("pre", {}, JSON.stringify(sample(doc, reply, 0, true), null, 2))) : "";
  return [rows.length ? el("table", {}, ...rows) : "", text || "", file, el("p", {}, send), answer, shape];
}

function show(doc) {
  const tags = {};
  Object.entries(doc.paths).forEach(([path, methods]) => Object.entries(methods).forEach(([method, operation]) => {
    (tags[operation.tags[0]] ||= []).push({ path, method, operation });
  }));
  const main = byId("operations");
  main.replaceChildren();
  Object.keys(tags).sort().forEach((tag) => {
    const section = el("section", {}, el("h2", {}, tag));
    tags[tag].forEach(({ path, method, operation }) => {
      const about = [operation.summary, operation.description].filter(Boolean).join("\n");
      const item = el("details", {}, el("summary", {}, el("span", { className: "method" }, method.toUpperCase()), el("code", {}, path)),
        el("p", { className: "about" }, about));
      item.dataset.words = (path + " " + about + " " + operation.operationId).toLowerCase();
      item.addEventListener("toggle", () => item.append(...tryForm(doc, path, method, operation)), { once: true });
      section.append(item);
    });
    main.append(section);
  });
}

byId("sign-in").addEventListener("click", signIn);
byId("find").addEventListener("input", () => {
  const words = byId("find").value.toLowerCase();
  document.querySelectorAll("main section > details").forEach((d) => { d.hidden = !d.dataset.words.includes(words); });
});
fetch("/openapi.json").then((r) => r.json()).then(show);
