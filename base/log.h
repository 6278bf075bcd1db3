/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging for programs (libraries are silent): one line an event, to stderr, key=value. */
#ifndef CHAOS_BASE_LOG_H
#define CHAOS_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; LOG_INFO at start. */
void log_set_level(enum log_level level);

/* Parses "error", "warn", "info", "debug"; -EINVAL for anything else. */
int log_level_parse(const char *word, enum log_level *out);

/* Writes one line `level=info <formatted>` to stderr with one write(2); newlines and control
 * bytes become spaces. Example: log_line(LOG_INFO, "op=create dom=%u name=%s us=%u", ...). If
 * stderr is the journal, the line begins with the level as "<n>". */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
