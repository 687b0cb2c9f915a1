// Swagger UI on the document of the gateway that this page came from.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  // A token stays in the page and is gone with it.
  persistAuthorization: false,
  validatorUrl: null,
  onComplete() {
    const title = document.querySelector("#reference .title")?.firstChild?.textContent;
    if (title) document.title = title;
  },
});
