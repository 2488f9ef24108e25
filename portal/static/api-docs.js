// Shows the description of the API with Swagger UI.
const reference = document.getElementById("reference");

SwaggerUIBundle({
  domNode: reference,
  url: reference.dataset.description,
  deepLinking: true,
  // No service outside may see this description.
  validatorUrl: null,
});
