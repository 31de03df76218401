"""Private servers for the tests: PostgreSQL, RabbitMQ and Chromium, each on a free port with a folder of its own."""
