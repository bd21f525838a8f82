import { computed, signal } from "@preact/signals-core";
import { plant } from "../plant/plant";
import { ApiError, api } from "../wire/api";
import type { Me } from "../wire/contract";
import { Stream } from "../wire/stream";
import { route } from "./route";
import { viewOf } from "./view";

export const me = signal<Me | null>(null);
export const mustLogIn = signal(false);
/** Whether somebody has logged in: trusted on loopback, everybody is `local`. */
export const isLoggedIn = computed(() => me.value?.name != null && me.value.name !== "local");
export const hidden = signal(false);

export const stream = new Stream("/api/stream", (name, data) => plant.apply(name, data), checkLogin);

/** Asks who we are; opens the stream once we may see the plant. */
export async function checkLogin(): Promise<void> {
  try {
    const answer = await api.me();
    me.value = answer;
    mustLogIn.value = answer.login_required && !answer.name;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) mustLogIn.value = true;
  }
  if (mustLogIn.value) stream.close();
}

export async function logIn(name: string, password: string): Promise<void> {
  await api.login(name, password);
  await checkLogin();
  if (!mustLogIn.value) stream.open();
}

export async function logOut(): Promise<void> {
  await api.logout();
  location.assign("/");
}

/** The part of the fleet whose readings the stream sends, as the present view needs it. */
export function wantedView(): "*" | string[] {
  return viewOf(route.value, plant.fleet.ids.value.length, hidden.value);
}
