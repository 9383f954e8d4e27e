// Logging in.

import { h } from "../dom.js";
import { logIn } from "../api.js";
import { t } from "../i18n.js";
import { errorText } from "../ui.js";

/** The form; `done` is called once somebody is logged in. */
export function login(done) {
  const problem = h("div", {});
  const submit = h("button", { type: "submit", class: "button primary" }, t("log.in"));
  const form = h(
    "form",
    { class: "card login", method: "post" },
    h("h1", {}, t("log.in")),
    h("div", { class: "field" }, h("label", { for: "user" }, t("user.name")), h("input", { id: "user", name: "username", autocomplete: "username", required: true, autocapitalize: "off", spellcheck: "false" })),
    h("div", { class: "field" }, h("label", { for: "password" }, t("password")), h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "password-hint" }), h("p", { class: "hint", id: "password-hint" }, t("password.hint"))),
    problem,
    submit,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = new FormData(form);
    submit.disabled = true;
    try {
      await logIn(values.get("username"), values.get("password"));
      done();
    } catch (error) {
      if (error.status === 401) error.message = t("log.in.wrong");
      problem.replaceChildren(errorText(error));
      form.querySelector("#password").select();
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}
