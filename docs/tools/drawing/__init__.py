"""The pictures of the course: a small canvas, the gallery, and a module for each stage."""
