"""The portal's JSON API for programs: keys, detections, webhooks, and their OpenAPI description."""
