/* SPDX-License-Identifier: BSD-3-Clause */
/* Device and control page against a guest that plays by the rules, and one that does not. */
#include "noxs/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "noxs/page.h"
#include "tests/unit/unit.h"

static void page_tells_the_facts(void **state)
{
	struct noxs_facts f = {.pv = true,
			       .domid = 7,
			       .vcpus = 2,
			       .mem_pages = 64,
			       .control_gfn = 58,
			       .control_port = 1,
			       .cmdline = "a=1"};
	struct noxs_page copy;
	struct noxs_page shown;
	struct noxs_page other;

	(void)state;
	assert_int_equal(noxs_page_fill(&copy, &f, NULL), 0);
	noxs_page_show(&shown, &copy);
	assert_int_equal(shown.magic, NOXS_MAGIC);
	assert_int_equal(shown.version, NOXS_ABI_VERSION);
	assert_int_equal(shown.flags, NOXS_FLAG_PV);
	assert_int_equal(shown.domid, 7);
	assert_int_equal(shown.control.local_port, 1);
	assert_string_equal(shown.cmdline, "a=1");
	assert_int_equal(noxs_page_fill(&other, &f, NULL), 0);
	assert_memory_not_equal(other.seed, copy.seed, sizeof(copy.seed));
}

static void page_refuses_long_lines(void **state)
{
	char text[NOXS_CMDLINE_MAX + 1];
	struct noxs_facts f = {.cmdline = text};
	struct noxs_page copy;
	struct err e = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	text[NOXS_CMDLINE_MAX - 1] = '\0';
	assert_int_equal(noxs_page_fill(&copy, &f, &e), 0);
	text[NOXS_CMDLINE_MAX - 1] = 'x';
	text[NOXS_CMDLINE_MAX] = '\0';
	assert_int_equal(noxs_page_fill(&copy, &f, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "1024 bytes"));
}

static void guest_writes(struct noxs_control *p, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p->console_out[p->out_prod++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)text[i];
}

static void console_carries_everything(void **state)
{
	struct noxs_control *p = calloc(1, sizeof(*p));
	struct noxs_control_end c;
	char buf[NOXS_CONSOLE_OUT_SIZE];
	uint32_t total = 0;

	(void)state;
	assert_non_null(p);
	noxs_control_init(&c, p);
	p->out_prod = p->out_cons = c.out_cons = UINT32_MAX - 100; /* indices run over */
	for (uint32_t round = 0; round < 50; round++) {
		char text[300];
		int n;

		memset(text, 'a' + (int)(round % 26), sizeof(text));
		guest_writes(p, text, sizeof(text));
		n = noxs_console_take(&c, buf, sizeof(buf));
		assert_int_equal(n, sizeof(text));
		assert_memory_equal(buf, text, sizeof(text));
		assert_int_not_equal(p->out_cons, p->out_prod); /* not given back yet */
		noxs_console_release(&c);
		assert_int_equal(p->out_cons, p->out_prod);
		total += (uint32_t)n;
	}
	assert_int_equal(total, 15000);
	assert_int_equal(noxs_console_take(&c, buf, sizeof(buf)), 0);
	free(p);
}

static void console_ends_on_nonsense(void **state)
{
	struct noxs_control *p = calloc(1, sizeof(*p));
	struct noxs_control_end c;
	char buf[NOXS_CONSOLE_OUT_SIZE];

	(void)state;
	assert_non_null(p);
	noxs_control_init(&c, p);
	p->out_prod = NOXS_CONSOLE_OUT_SIZE; /* full is fine */
	assert_int_equal(noxs_console_take(&c, buf, sizeof(buf)), NOXS_CONSOLE_OUT_SIZE);
	p->out_prod = c.out_cons + NOXS_CONSOLE_OUT_SIZE + 1;
	assert_int_equal(noxs_console_take(&c, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(noxs_console_take(&c, buf, sizeof(buf)), 0); /* told once */
	noxs_control_init(&c, p);
	p->in_cons = 5; /* ahead of us */
	assert_int_equal(noxs_console_put(&c, "x", 1), -EPROTO);
	assert_int_equal(noxs_console_put(&c, "x", 1), 0);
	free(p);
}

static void input_fits_or_waits(void **state)
{
	struct noxs_control *p = calloc(1, sizeof(*p));
	struct noxs_control_end c;
	char text[3000];

	(void)state;
	assert_non_null(p);
	memset(text, 'y', sizeof(text));
	noxs_control_init(&c, p);
	p->in_cons = p->in_prod = c.in_prod = UINT32_MAX - 3;
	assert_int_equal(noxs_console_put(&c, text, sizeof(text)), NOXS_CONSOLE_IN_SIZE);
	assert_int_equal(noxs_console_put(&c, text, sizeof(text)), 0);
	p->in_cons += 10;
	assert_int_equal(noxs_console_put(&c, text, sizeof(text)), 10);
	free(p);
}

static void words_are_checked(void **state)
{
	struct noxs_control *p = calloc(1, sizeof(*p));
	struct noxs_control_end c;
	struct noxs_guest_words w;

	(void)state;
	assert_non_null(p);
	noxs_control_init(&c, p);
	p->state = 77;
	p->exit_code = 1u << 30;
	noxs_control_words(&c, &w);
	assert_int_equal(w.state, NOXS_STATE_BOOTING);
	assert_int_equal(w.exit_code, 255);
	assert_false(w.exit_code_ok);
	p->state = NOXS_STATE_READY;
	p->exit_code = 3;
	noxs_control_words(&c, &w);
	assert_int_equal(w.state, NOXS_STATE_READY);
	assert_int_equal(w.exit_code, 3);
	noxs_control_request(&c, NOXS_REQ_REBOOT);
	assert_int_equal(p->request, NOXS_REQ_REBOOT);
	assert_int_equal(p->request_seq, 1);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_tells_the_facts),
		cmocka_unit_test(page_refuses_long_lines),
		cmocka_unit_test(console_carries_everything),
		cmocka_unit_test(console_ends_on_nonsense),
		cmocka_unit_test(input_fits_or_waits),
		cmocka_unit_test(words_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
