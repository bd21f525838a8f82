import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { ApiError } from "../wire/api";
import { Live } from "./live";
import { logIn } from "./session";

const problem = signal("");
const busy = signal(false);

export class LoginForm extends Live {
  override render() {
    return html`<form class="login" @submit=${this.#submit} data-testid="login">
      <h1>Tocsin</h1>
      <p class="dim">This plant asks for a login.</p>
      <label class="field"><span>Name</span><input name="name" autocomplete="username" required autofocus></label>
      <label class="field"><span>Password</span><input name="password" type="password" autocomplete="current-password" required></label>
      ${problem.value ? html`<p class="error" role="alert">${problem.value}</p>` : nothing}
      <button class="primary" ?disabled=${busy.value}>Log in</button>
    </form>`;
  }

  override firstUpdated(): void {
    this.querySelector("input")?.focus();
  }

  readonly #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.target as HTMLFormElement);
    busy.value = true;
    problem.value = "";
    try {
      await logIn(String(given.get("name")), String(given.get("password")));
    } catch (error) {
      problem.value =
        error instanceof ApiError && error.status === 401 ? "Name or password is wrong." : (error as Error).message;
    } finally {
      busy.value = false;
    }
  };
}
customElements.define("login-form", LoginForm);
