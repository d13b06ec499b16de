import { html, type TemplateResult } from "lit-html";

export const nothingYet = (text: string): TemplateResult => html`<p class="empty">${text}</p>`;
