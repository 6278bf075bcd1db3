/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the text for libxlutil from a file and overrides, in the forms that users write. */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FIRST	"abcdefghijklmnopqrstuvwxyz"
#define KEY_REST	KEY_FIRST "0123456789._"
#define NUMBER		"0123456789abcdefx"
#define BLANKS		" \t"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* The text after "key =" or "key +="; NULL if the statement begins with something else. */
static const char *value_of(const char *s)
{
	s += strspn(s, BLANKS);
	if (*s == '\0' || !strchr(KEY_FIRST, *s))
		return NULL;
	s += strspn(s, KEY_REST);
	s += strspn(s, BLANKS);
	if (*s == '+')
		s++;
	if (*s != '=')
		return NULL;
	s++;
	return s + strspn(s, BLANKS);
}

/* The number that libxlutil can read, up to the end of the statement. */
static bool is_number(const char *s)
{
	if (*s < '0' || *s > '9')
		return false;
	s += strspn(s, NUMBER);
	s += strspn(s, BLANKS);
	return *s == '\0' || *s == ';' || *s == '#';
}

/* Words that have no place in the syntax, and can only be one text. A semicolon or # in them may
 * be meant as the end of the statement. */
static bool is_bare_text(const char *value)
{
	return !strchr("\"'[", *value == '\0' ? 'x' : *value) && !is_number(value) &&
	       !strpbrk(value, ";#\n");
}

static bool put_override(FILE *f, const char *item)
{
	const char *value = value_of(item);

	if (!value || !is_bare_text(value))
		return fprintf(f, "%s\n", item) > 0;
	if (fprintf(f, "%.*s\"", (int)(value - item), item) < 0)
		return false;
	for (; *value; value++) {
		if ((*value == '"' || *value == '\\') && fputc('\\', f) == EOF)
			return false;
		if (fputc(*value, f) == EOF)
			return false;
	}
	return fputs("\"\n", f) != EOF;
}

static bool put_file(FILE *f, const char *text, size_t len)
{
	const char *end = text + len;

	if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
		text += 3;
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);
		size_t kept = n > 0 && text[n - 1] == '\r' ? n - 1 : n;

		if (fwrite(text, 1, kept, f) != kept || fputc('\n', f) == EOF)
			return false;
		text += nl ? n + 1 : n;
	}
	return true;
}

static char *make_text(const struct vmcfg *v, uint32_t first, uint32_t n, bool file, size_t *len)
{
	FILE *f;
	char *text = NULL;
	bool ok = true;

	*len = 0;
	f = open_memstream(&text, len);
	if (!f)
		return NULL;
	if (file && v->text_len)
		ok = put_file(f, v->text, v->text_len);
	for (uint32_t i = first; ok && i < first + n; i++)
		ok = put_override(f, v->override.item[i]);
	if (fclose(f) != 0 || !ok) {
		free(text);
		return NULL;
	}
	return text;
}

char *vmcfg_text(const struct vmcfg *v, size_t *len)
{
	return make_text(v, 0, v->override.n, true, len);
}

/* --- what is wrong with it --- */

/* Parses a part alone. 0: it is valid; 1: the caller gets its report. */
static int try(const struct vmcfg *v, char *text, size_t len, char **report)
{
	size_t report_len = 0;
	XLU_Config *xlu = NULL;
	FILE *f;
	int rc = -ENOMEM;

	*report = NULL;
	f = text ? open_memstream(report, &report_len) : NULL;
	if (f)
		xlu = xlu_cfg_init(f, v->name ? v->name : "config");
	if (xlu)
		rc = xlu_cfg_readdata(xlu, text, (int)len) == 0 ? 0 : 1;
	if (xlu)
		xlu_cfg_destroy(xlu);
	if (f && fclose(f) != 0)
		rc = -ENOMEM;
	return rc;
}

/* Its first line, with only printable characters. */
static void first_line(char *report)
{
	char *end = report + strcspn(report, "\n");

	*end = '\0';
	for (; *report; report++)
		if ((unsigned char)*report < ' ')
			*report = '?';
}

/* Finds a value that begins with something else than a text in quotes, a list or a number. */
static bool lacks_quotes(const char *statement)
{
	const char *value = value_of(statement);

	if (!value)
		return false;
	if (*value == '[') {
		value += 1 + strspn(value + 1, BLANKS);
		if (*value == ']')
			return false;
	}
	return !strchr("\"'[#\n", *value) && !is_number(value);
}

/* The text after "NAME:LINE: "; the line is 0 if there is none. */
static const char *words_of(const struct vmcfg *v, const char *report, unsigned long *line)
{
	static const char begin[] = "config parsing error ";
	const char *name = v->name ? v->name : "config";
	size_t len = strlen(name);
	char *end = NULL;

	*line = 0;
	if (strncmp(report, name, len) != 0 || report[len] != ':')
		return report;
	*line = strtoul(report + len + 1, &end, 10);
	if (strncmp(end, ": ", 2) != 0)
		return report;
	end += 2;
	if (strncmp(end, begin, strlen(begin)) == 0)
		end += strlen(begin);
	if (strncmp(end, "near <newline>", 14) == 0) /* libxlutil names the line before */
		(*line)++;
	return end;
}

/* What to do about it, if that is known. */
static const char *hint(const char *statement, const char *words)
{
	if (statement && lacks_quotes(statement))
		return "; a text must be in quotes";
	if (strstr(words, "unexpected $end, expecting ']'"))
		return "; a list is not closed";
	if (statement && !value_of(statement))
		return "; write key = value";
	if (strncmp(words, "near `\"", 7) == 0 || strncmp(words, "near `'", 7) == 0)
		return strstr(words, "lexical error") ? "; its quote does not end on that line"
						      : "";
	return "";
}

static const char *line_at(const char *text, unsigned long line)
{
	for (; text && line > 1; line--) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}

static int file_error(const struct vmcfg *v, const char *text, char *report, struct err *e)
{
	unsigned long line;
	const char *words;
	const char *at;

	first_line(report);
	words = words_of(v, report, &line);
	at = line_at(text, line);
	return err_set(e, EINVAL, "%s:%lu: %s%s", v->name ? v->name : "config", line, words,
		       hint(at, words));
}

static int override_error(const struct vmcfg *v, const char *item, char *report, struct err *e)
{
	const char *value = value_of(item);
	unsigned long line;
	const char *words;

	first_line(report);
	if (value && lacks_quotes(item) && !strchr(value, '"'))
		return err_set(e, EINVAL, "%s: a text must be in quotes: %.*s\"%s\"", item,
			       (int)(value - item), item, value);
	words = words_of(v, report, &line);
	return err_set(e, EINVAL, "%s: %s%s", item, words, hint(NULL, words));
}

int vmcfg_syntax_error(const struct vmcfg *v, const char *report, struct err *e)
{
	char *text = NULL;
	char *own = NULL;
	size_t len;
	int rc = 0;

	text = make_text(v, 0, 0, true, &len);
	rc = try(v, text, len, &own);
	if (rc == 1)
		rc = file_error(v, text, own, e);
	for (uint32_t i = 0; rc == 0 && i < v->override.n; i++) {
		free(text);
		free(own);
		text = make_text(v, i, 1, false, &len);
		rc = try(v, text, len, &own);
		if (rc == 1)
			rc = override_error(v, v->override.item[i], own, e);
	}
	if (rc == -ENOMEM && (!e || e->code == 0))
		(void)err_set(e, ENOMEM, "out of memory");
	if (rc == 0) /* each of them is correct alone */
		rc = err_set(e, EINVAL, "%.*s", (int)strcspn(report, "\n"), report);
	free(text);
	free(own);
	return rc;
}
