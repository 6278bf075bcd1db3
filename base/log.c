/* SPDX-License-Identifier: BSD-3-Clause */
/* One line an event to stderr, whole or not at all. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static enum log_level threshold = LOG_INFO;
static const char *const words[] = {"error", "warn", "info", "debug"};
static const int syslog_level[] = {3, 4, 6, 7};

void log_set_level(enum log_level level)
{
	threshold = level;
}

int log_level_parse(const char *word, enum log_level *out)
{
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t start;
	size_t len;
	va_list ap;
	int n;

	if (level > threshold)
		return;
	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>", syslog_level[level]);
	else
		n = snprintf(line, sizeof(line), "level=%s ", words[level]);
	start = (size_t)n;
	va_start(ap, fmt);
	n = vsnprintf(line + start, sizeof(line) - start - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = strlen(line);
	for (size_t i = start; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	/* When stderr is gone there is no place left to report it. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
