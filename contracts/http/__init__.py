"""The HTTP contracts of the services: their golden OpenAPI documents, and the rules for changing an API.

`gate` compares today's documents with the golden ones, which are the JSON files in this folder. `compatibility` decides
which changes a deployed client survives.
"""
