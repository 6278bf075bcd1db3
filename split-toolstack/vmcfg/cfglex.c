/* SPDX-License-Identifier: BSD-3-Clause */
/* A lexer that knows comments, strings and brackets, and nothing of values. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "split-toolstack/vmcfg/cfglex.h"

struct lexer {
	const char *at, *end;
};

static bool is_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_part(char c)
{
	return is_start(c) || (c >= '0' && c <= '9');
}

static void skip_line(struct lexer *l)
{
	while (l->at < l->end && *l->at != '\n')
		l->at++;
}

static void skip_string(struct lexer *l)
{
	char quote = *l->at++;

	while (l->at < l->end && *l->at != quote && *l->at != '\n') {
		if (*l->at == '\\' && l->end - l->at > 1)
			l->at++;
		l->at++;
	}
	if (l->at < l->end && *l->at == quote)
		l->at++;
}

/* To the newline or semicolon that ends a statement; not those inside brackets and strings. */
static void skip_value(struct lexer *l)
{
	int depth = 0;

	while (l->at < l->end) {
		char c = *l->at;

		if (c == '#') {
			skip_line(l);
			continue;
		}
		if (c == '"' || c == '\'') {
			skip_string(l);
			continue;
		}
		if (c == '[')
			depth++;
		else if (c == ']' && depth)
			depth--;
		else if ((c == '\n' || c == ';') && depth == 0)
			return;
		l->at++;
	}
}

static void skip_blank(struct lexer *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
		l->at++;
}

int cfglex_keys(const char *text, size_t len, int (*fn)(const char *key, void *arg, struct err *e),
		void *arg, struct err *e)
{
	struct lexer l = {text, text + len};

	while (l.at < l.end) {
		const char *start;
		size_t n;

		skip_blank(&l);
		if (l.at < l.end && (*l.at == '\n' || *l.at == ';')) {
			l.at++;
			continue;
		}
		start = l.at;
		if (l.at >= l.end || !is_start(*l.at)) {
			skip_value(&l);
			continue;
		}
		while (l.at < l.end && is_part(*l.at))
			l.at++;
		n = (size_t)(l.at - start);
		skip_blank(&l);
		if (l.end - l.at > 1 && l.at[0] == '+' && l.at[1] == '=')
			l.at++;
		if (l.at < l.end && *l.at == '=') {
			char key[CFGLEX_KEY_MAX];
			int rc;

			if (n >= sizeof(key))
				return err_set(e, EINVAL, "key \"%.20s...\" is too long", start);
			memcpy(key, start, n);
			key[n] = '\0';
			rc = fn(key, arg, e);
			if (rc < 0)
				return rc;
		}
		skip_value(&l);
	}
	return 0;
}
