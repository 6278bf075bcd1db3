/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and overrides as users type them: words without quotes, line ends of other systems, keys
 * that do not matter, and what is said of the rest. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"
#include "tests/unit/vmcfg/vmcfg_help.h"

static int parse(const char *text, struct vmcfg *v, struct vm_config *c, struct err *e)
{
	*v = of_file(text);
	*e = (struct err){0};
	return vmcfg_parse(v, c, e);
}

static int parse_override(const char *text, const char *override, struct vm_config *c,
			  struct err *e)
{
	struct vmcfg v = of_file(text);
	int rc;

	*e = (struct err){0};
	assert_int_equal(vmcfg_add(&v.override, override, strlen(override)), 0);
	rc = vmcfg_parse(&v, c, e);
	vmcfg_clear(&v);
	return rc;
}

static void bare_words_are_texts(void **state)
{
	static const struct {
		const char *override, *cmdline;
	} t[] = {
		{"cmdline=web", "web"},
		{"cmdline = web", "web"},
		{"cmdline=console=hvc0 root=/dev/xvda1", "console=hvc0 root=/dev/xvda1"},
		{"cmdline=a,b", "a,b"},
		{"cmdline=web-1.example", "web-1.example"},
		{"cmdline=0-3,^1", "0-3,^1"}, /* no number */
		{"cmdline=17", "17"},	      /* one */
		{"cmdline='quoted'", "quoted"},
		{"cmdline=\"quoted # ; too\"", "quoted # ; too"},
		{"cmdline=", ""},
		{"cmdline=a \"b\" 'c'", "a \"b\" 'c'"},
		{"cmdline=back\\slash", "back\\slash"},
		{"cmdline=[x]y", NULL},	      /* begins a list */
		{"cmdline=17;vcpus=2", "17"}, /* two statements of xl's syntax */
		{"cmdline=17 # more", "17"},
		{"cmdline=\xc3\xbc", "\xc3\xbc"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm_config c;
		struct err e;
		int rc = parse_override("memory=4", t[i].override, &c, &e);

		if ((rc < 0) != !t[i].cmdline ||
		    (t[i].cmdline && strcmp(c.cmdline, t[i].cmdline) != 0))
			fail_msg("%s: %d \"%s\", \"%s\"", t[i].override, rc, e.msg,
				 rc == 0 ? c.cmdline : "");
		vm_config_clear(&c);
	}
}

static void overrides_are_named_themselves(void **state)
{
	static const struct {
		const char *text, *override, *words;
	} t[] = {
		{"a", "name=web;x", "t.cfg:1: "}, /* the file is wrong anyway */
		{"memory=4", "name=web;vcpus=2",
		 "name=web;vcpus=2: a text must be in quotes: name=\"web;vcpus=2\""},
		{"memory=4", "name=a#b", "name=a#b: a text must be in quotes: name=\"a#b\""},
		{"memory=4", "memory=[4", "memory=[4: near "},
		{"memory=4", "memory=4;vcpus=two", "memory=4;vcpus=two: near "},
		{"memory=4", "name=\"web", "name=\"web: "},
		{"memory=4", "memory 4", "memory 4: "},
		{"memory=4", "me\001\033[2Jx", "me??[2Jx: "},
		{"memory=4", "type=\"a\\nb\033\"", "type \"a b?\": use \"pv\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm_config c;
		struct err e;
		int rc = parse_override(t[i].text, t[i].override, &c, &e);

		is_refused_by(t[i].override, rc, &e, t[i].words);
		vm_config_clear(&c);
	}
}

/* Files from editors of other systems, and what is said of files without quotes. */
static void line_ends_do_not_matter(void **state)
{
	static const char *const same[] = {
		"\xef\xbb\xbfname = 'web'\nmemory = 4\nvif = [ 'bridge=br0',\n 'bridge=br1' ]",
		"name = 'web'\r\nmemory = 4\r\nvif = [ 'bridge=br0',\r\n 'bridge=br1' ]\r\n",
		("\xef\xbb\xbf# of an editor\r\nname = 'web' # x\r\nmemory=4\r\n\r\n"
		 "vif=['bridge=br0','bridge=br1',]\r"),
	};
	static const struct {
		const char *text, *begin, *end;
	} t[] = {
		{"memory = 4\r\nname = web\r\n", "t.cfg:2: ", "; a text must be in quotes"},
		{"name = web-1", "t.cfg:1: ", "; a text must be in quotes"},
		{"vif = [ mac=1 ]", "t.cfg:1: ", "; a text must be in quotes"},
		{"memory = 4\n\nmemory = = 4\n", "t.cfg:3: ", "; a text must be in quotes"},
		{"name = 'a\001",
		 "t.cfg:1: ", "'a?': lexical error; its quote does not end on that line"},
		{"a\n", "t.cfg:1: ", "unexpected NEWLINE"},
		{"memory = 4\nname =\nvcpus = 1\n", "t.cfg:2: ", "unexpected NEWLINE"},
	};
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		if (parse(same[i], &v, &c, &e) < 0)
			fail_msg("%zu: %s", i, e.msg);
		assert_string_equal(c.name, "web");
		assert_int_equal(c.mem_kib, 4096);
		assert_int_equal(c.ndevice, 2);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int rc = parse(t[i].text, &v, &c, &e);

		if (rc != -EINVAL || strncmp(e.msg, t[i].begin, strlen(t[i].begin)) != 0 ||
		    !strstr(e.msg, t[i].end) || strpbrk(e.msg, "\n\r\001"))
			fail_msg("%s: %d \"%s\"", t[i].text, rc, e.msg);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
}

static void all_bad_keys_are_told_at_once(void **state)
{
	static const char text[] = "memroy = 4\npci = ['00:01.0']\nvcups = 2\nmemroy = 5\n"
				   "vtpm=['x']\nfoo = []\nmemory = 4\n";
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	assert_int_equal(parse(text, &v, &c, &e), -EOPNOTSUPP);
	assert_string_equal(e.msg,
			    "memroy, vcups, foo: unknown keys; pci: PCI passthrough is not "
			    "supported; vtpm: vTPMs are not supported; correct or remove them, or "
			    "leave them out with --ignore memroy,vcups,foo,pci,vtpm");
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* That very text helps. */
	v = (struct vmcfg){.text = strdup(text), .text_len = strlen(text)};
	assert_int_equal(vmcfg_add(&v.ignore, "memroy,vcups,foo", 16), 0);
	assert_int_equal(vmcfg_add(&v.ignore, "pci,vtpm", 8), 0);
	e = (struct err){0};
	assert_int_equal(vmcfg_parse(&v, &c, &e), 0);
	assert_int_equal(v.warning.n, 0);
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* No value moves the terminal. */
	assert_int_equal(parse("vif = ['script=\033[2J']\nseclabel='a\001'", &v, &c, &e), 0);
	assert_int_equal(v.warning.n, 2);
	assert_non_null(strstr(v.warning.item[0], "script \"?[2J\""));
	assert_non_null(strstr(v.warning.item[1], "\"a?\""));
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* As xl does it: what is unknown does not matter, what is not supported does. */
	v = (struct vmcfg){.text = strdup(text), .text_len = strlen(text), .xl = true};
	assert_int_equal(vmcfg_add(&v.ignore, "pci,vtpm", 8), 0);
	assert_int_equal(vmcfg_parse(&v, &c, &e), 0);
	assert_int_equal(v.warning.n, 1);
	assert_string_equal(v.warning.item[0],
			    "unknown keys were ignored, as by xl: memroy, vcups, "
			    "foo");
	vm_config_clear(&c);
	vmcfg_clear(&v);
	v = (struct vmcfg){.text = strdup(text), .text_len = strlen(text), .xl = true};
	assert_int_equal(vmcfg_parse(&v, &c, &e), -EOPNOTSUPP);
	assert_null(strstr(e.msg, "memroy"));
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

/* More of them than one line has room for. */
static void very_many_bad_keys(void **state)
{
	char text[8192] = "";
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	for (int i = 0; i < 300; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%skey%d = 1\n",
			       i % 2 ? "vnc" : "x", i);
	assert_int_equal(parse(text, &v, &c, &e), -EOPNOTSUPP);
	assert_memory_equal(e.msg, "xkey0, vnckey1, xkey2, ", 23);
	assert_non_null(strstr(e.msg, "--ignore xkey0,vnckey1"));
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void neutral_values_are_taken(void **state)
{
	static const char *const quiet[] = {
		"ramdisk = ''",	     "maxmem = 0",
		"pvh = 0",	     "builder = 'pv'",
		"builder='generic'", "viridian = 0",
		"viridian = []",     "rtc_timeoffset = 0",
		"localtime = 0",     "seclabel = ''",
		"nestedhvm = 0",     "driver_domain = 0",
		"tsc_mode = 0",	     "tsc_mode = 'default'",
		"cpuid = 'host'",    "cpuid = []",
		"cpus_soft = 'all'", "altp2m = 'disabled'",
		"vpmu = 0",	     "pvshim = 0",
		"bootloader = ''",   "passthrough = 'disabled'",
		"pci = []",	     "usbdev = [ ]",
		"pool = 'Pool-0'",   "timer_mode = 1",
		"e820_host = 0",     "ms_vm_genid = 'none'",
	};
	static const char *const warned[] = {"viridian = 1", "hpet = 1", "viridian = ['defaults']",
					     "pci_permissive = 1", "spice = 1"};
	static const struct {
		const char *text, *words;
	} refused[] = {
		{"rtc_timeoffset = 3600", "rtc_timeoffset: guests have the host's clock; remove"},
		{"nestedhvm = 1", "nested virtualization"},
		{"tsc_mode = 'native'", "TSC modes"},
		{"cpuid = 'host,htt=0'", "CPUID policies"},
		{"cpus_soft = '0'", "soft affinity"},
		{"bootloader = 'pygrub'", "boot loaders in dom0"},
		{"pvh = 2", "pvh 2: out of range; give 0 to 1"},
		{"builder = 'hvm'", "use type="},
		{"altp2m = 'dis'", "views of memory"},
	};
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		if (parse(quiet[i], &v, &c, &e) < 0 || v.warning.n)
			fail_msg("%s: \"%s\"", quiet[i], v.warning.n ? v.warning.item[0] : e.msg);
		assert_null(c.ramdisk);
		assert_int_equal(c.maxmem_kib, 0);
		assert_int_equal(c.type, DOM_PV);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
	for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
		assert_int_equal(parse(warned[i], &v, &c, &e), 0);
		assert_int_equal(v.warning.n, 1);
		assert_non_null(strstr(v.warning.item[0], "these keys have no effect"));
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int rc = parse(refused[i].text, &v, &c, &e);

		if (rc >= 0 || !strstr(e.msg, refused[i].words))
			fail_msg("%s: %d \"%s\"", refused[i].text, rc, e.msg);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
}

/* The type as files of before type="pvh" have it; a type that is said counts more. */
static void pvh_is_a_type(void **state)
{
	static const struct {
		const char *text;
		enum dom_type type;
	} t[] = {{"pvh = 1", DOM_PVH},
		 {"pvh = 1\ntype = 'pvh'", DOM_PVH},
		 {"type = 'pv'\npvh = 1", DOM_PV},
		 {"pvh = 1\npvh = 0", DOM_PV}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm_config c;
		struct vmcfg v;
		struct err e;

		assert_int_equal(parse(t[i].text, &v, &c, &e), 0);
		assert_int_equal(c.type, t[i].type);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
}

static void labels_depend_on_the_host(void **state)
{
	static const char text[] = "seclabel = 'system_u:system_r:domU_t'\nmemory=4";
	struct vmcfg v = of_text(text);
	struct vm_config c;
	struct err e = {0};

	(void)state;
	assert_int_equal(xen_open(&v.xen, &e), 0);
	fake_set_xsm(false);
	assert_int_equal(vmcfg_parse(&v, &c, &e), 0);
	assert_int_equal(v.warning.n, 1);
	assert_string_equal(v.warning.item[0],
			    "seclabel \"system_u:system_r:domU_t\": this Xen has "
			    "no XSM, and no labels");
	vm_config_clear(&c);
	fake_set_xsm(true);
	assert_int_equal(vmcfg_parse(&v, &c, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "seclabel: XSM labels are not supported"));
	vm_config_clear(&c);
	fake_set_xsm(false);
	xen_close(v.xen);
	vmcfg_clear(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_words_are_texts),
		cmocka_unit_test(overrides_are_named_themselves),
		cmocka_unit_test(line_ends_do_not_matter),
		cmocka_unit_test(all_bad_keys_are_told_at_once),
		cmocka_unit_test(very_many_bad_keys),
		cmocka_unit_test(neutral_values_are_taken),
		cmocka_unit_test(pvh_is_a_type),
		cmocka_unit_test(labels_depend_on_the_host),
	};

	return cmocka_run_group_tests_name("typed", tests, NULL, NULL);
}
