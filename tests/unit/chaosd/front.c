/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames, the key lexer, and configurations: pairs of input and expected result or error text. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg/cfglex.h"
#include "split-toolstack/protocol/wire.h"
#include "tests/unit/vmcfg/vmcfg_help.h"

/* --- frames --- */

static void frames_come_back(void **state)
{
	uint8_t buf[256];
	struct wire_out w;
	struct wire_in in;
	struct wire_in nested;
	struct wire_field f;
	char text[8];
	uint32_t mark;

	(void)state;
	wire_begin(&w, buf, sizeof(buf), PROTO_REQ_INFO, 42);
	wire_text(&w, PROTO_WHAT, "web");
	mark = wire_open(&w, PROTO_VM);
	wire_u64(&w, PROTO_MEM_KIB, 1ull << 40);
	wire_close(&w, mark);
	wire_u32(&w, PROTO_FLAGS, 5);
	assert_int_equal(wire_parse(&in, buf, wire_end(&w)), 0);
	assert_int_equal(in.h.tag, 42);
	assert_true(wire_get_text(&in, PROTO_WHAT, text, sizeof(text)));
	assert_string_equal(text, "web");
	assert_false(wire_get_text(&in, PROTO_WHAT, text, 3));
	assert_int_equal(wire_get_u32(&in, PROTO_FLAGS, 0), 5);
	assert_int_equal(wire_get_u64(&in, PROTO_FLAGS, 9), 9); /* another size */
	assert_true(wire_find(&in, PROTO_VM, &f));
	assert_int_equal(wire_nested(&nested, &f), 0);
	assert_int_equal(wire_get_u64(&nested, PROTO_MEM_KIB, 0), 1ull << 40);
}

static void frames_too_small_are_not_sent(void **state)
{
	uint8_t buf[32];
	struct wire_out w;

	(void)state;
	wire_begin(&w, buf, sizeof(buf), PROTO_OK, 1);
	wire_text(&w, PROTO_TEXT, "this does not fit into 32 bytes");
	wire_u32(&w, PROTO_FLAGS, 1);
	assert_int_equal(wire_end(&w), 0);
}

static void every_broken_frame_is_refused(void **state)
{
	uint8_t buf[128];
	struct wire_out w;
	struct wire_in in;
	uint32_t len;

	(void)state;
	wire_begin(&w, buf, sizeof(buf), PROTO_REQ_INFO, 1);
	wire_text(&w, PROTO_WHAT, "web");
	wire_u32(&w, PROTO_FLAGS, 0);
	len = wire_end(&w);
	for (uint32_t n = 0; n < len; n++)
		assert_true(wire_parse(&in, buf, n) < 0);
	for (uint32_t i = 0; i < 8; i++) { /* magic, version, op */
		buf[i] ^= 0x80;
		assert_true(wire_parse(&in, buf, len) < 0);
		buf[i] ^= 0x80;
	}
	buf[18] = 1; /* reserved bytes of the first field */
	assert_int_equal(wire_parse(&in, buf, len), -EPROTO);
	buf[18] = 0;
	buf[4] = 9;
	assert_int_equal(wire_parse(&in, buf, len), -EPROTONOSUPPORT);
}

/* --- keys --- */

static int collect(const char *key, void *arg, struct err *e)
{
	char *to = arg;

	(void)e;
	(void)snprintf(to + strlen(to), 64, "%s ", key);
	return 0;
}

static void lexer_finds_keys(void **state)
{
	static const struct {
		const char *text, *keys;
	} cases[] = {
		{"", ""},
		{"a=1", "a "},
		{"  a = 1 ; b=2\nc='x;d=1'", "a b c "},
		{"# a=1\nb=1 # c=2\n", "b "},
		{"v = [ 'a=1',\n 'b=2' # c=3\n ]\nd=1", "v d "},
		{"s = \"a\\\"=b\"; t=1", "s t "},
		{"v += [ 'x' ]", "v "},
		{"9x = 1\n=\n] = 3\nok=1", "ok "},
		{"broken = 'no end\nnext=1", "broken next "},
		{"word\nother = 1", "other "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char got[256] = "";

		assert_int_equal(
			cfglex_keys(cases[i].text, strlen(cases[i].text), collect, got, NULL), 0);
		assert_string_equal(got, cases[i].keys);
	}
}

/* --- configurations --- */

static int parse(const char *text, const char *set, struct vmcfg *v, struct vm_config *c,
		 struct err *e)
{
	*v = of_file(text);
	*e = (struct err){0};
	if (set)
		assert_int_equal(vmcfg_add(&v->set, set, strlen(set)), 0);
	return vmcfg_parse(v, c, e);
}

static void configurations_are_understood(void **state)
{
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	assert_int_equal(
		parse("name = 'web'\ntype=\"pvh\"\nkernel='k'\nramdisk = '/r'\nmemory = 64\n"
		      "maxmem=128\nvcpus=2\ncpus='0-2,^1'\ncpu_weight=512\ncap=50\n"
		      "root='/dev/xvda ro'\nextra='quiet'\non_crash='preserve'\n"
		      "uuid='01234567-89ab-cdef-0123-456789abcdef'\nvif=[]\nvnc=1\n",
		      NULL, &v, &c, &e),
		0);
	assert_string_equal(c.name, "web");
	assert_int_equal(c.type, DOM_PVH);
	assert_string_equal(c.kernel, "/home/me/k");
	assert_string_equal(c.ramdisk, "/r");
	assert_int_equal(c.mem_kib, 64 << 10);
	assert_int_equal(c.maxmem_kib, 128 << 10);
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.cpus.map[0], 5);
	assert_int_equal(c.cpus.n, 0);
	assert_int_equal(c.weight, 512);
	assert_int_equal(c.cap, 50);
	assert_string_equal(c.cmdline, "root=/dev/xvda ro quiet");
	assert_int_equal(c.on_crash, VM_PRESERVE);
	assert_true(c.have_uuid);
	assert_int_equal(c.uuid[15], 0xef);
	assert_int_equal(v.warning.n, 1);
	assert_non_null(strstr(v.warning.item[0], "vnc"));
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* What a client sets counts more, and is not read as syntax. */
	assert_int_equal(parse("memory=1\ncmdline='x'", "cmdline=it's \"1\"", &v, &c, &e), 0);
	assert_string_equal(c.cmdline, "it's \"1\"");
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void limits_are_understood(void **state)
{
	struct vm_config c;
	struct vmcfg v;
	struct err e;

	(void)state;
	assert_int_equal(parse("kernel='k'\nmemory=4\nmax_grant_frames=64\nmax_maptrack_frames=0\n"
			       "max_event_channels=0",
			       NULL, &v, &c, &e),
			 0);
	assert_int_equal(c.limits.asked, DOM_LIMIT_GRANT_FRAMES | DOM_LIMIT_MAPTRACK_FRAMES);
	assert_int_equal(c.limits.grant_frames, 64);
	assert_int_equal(c.limits.maptrack_frames, 0);
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* said again, 0 takes the first back */
	assert_int_equal(parse("kernel='k'\nmemory=4\nmax_event_channels=300\nmax_grant_version=1",
			       "max_event_channels=0", &v, &c, &e),
			 0);
	assert_int_equal(c.limits.asked, DOM_LIMIT_GRANT_VERSION);
	assert_int_equal(c.limits.grant_version, 1);
	vm_config_clear(&c);
	vmcfg_clear(&v);
	/* a child maps pages of its parent */
	assert_int_equal(parse("kernel='k'\nmemory=4\nfork=3", NULL, &v, &c, &e), 0);
	assert_int_equal(c.fork, 3);
	assert_int_equal(c.fork_depth, 1);
	assert_memory_equal(&c.limits, &vm_fork_limits, sizeof(c.limits));
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void bad_values_are_named(void **state)
{
	static const struct {
		const char *text, *set, *words[2];
	} cases[] = {
		{"memory = 'lots'", NULL, {"memory \"lots\"", "MiB"}},
		{"memory = -1", NULL, {"t.cfg:1", "-1"}},
		{"memory = 0", NULL, {"memory 0", "more than 0"}},
		{"", "memory=12Q", {"memory \"12Q\"", "unit"}},
		{"", "memory=99999999999999999999", {"memory", ""}},
		{"", "memory=20000000000", {"16 TiB", ""}},
		{"vcpus = 0", NULL, {"vcpus 0", "1 to 128"}},
		{"vcpus = 129", NULL, {"vcpus 129", "1 to 128"}},
		{"vcpus = 'two'", NULL, {"vcpus \"two\"", "not a number"}},
		{"cpus = '3-1'", NULL, {"cpus \"3-1\"", ""}},
		{"cpus = ','", NULL, {"cpus \",\"", "no CPU"}},
		{"cpus = 'nodes:0'", NULL, {"nodes", ""}},
		{"cpus = '^all'", NULL, {"cpus \"^all\"", "give CPUs"}},
		{"cpus = '0x'", NULL, {"cpus \"0x\"", "give CPUs"}},
		{"cpus = ['0', ['1']]", NULL, {"cpus", "item 2 is not a text"}},
		{"cpus = '^0'", NULL, {"cpus \"^0\"", ""}},
		{"maxvcpus = 0", NULL, {"maxvcpus 0", "1 to 128"}},
		{"maxvcpus = 129", NULL, {"maxvcpus 129", "1 to 128"}},
		{"cpu_weight = 0", NULL, {"cpu_weight 0", "65535"}},
		{"max_grant_frames = 0", NULL, {"max_grant_frames 0", "1 to 2147483647"}},
		{"max_grant_version = 3", NULL, {"max_grant_version 3", "1 to 2"}},
		{"max_maptrack_frames = 'all'", NULL, {"max_maptrack_frames \"all\"", "number"}},
		{"max_event_channels = 131072", NULL, {"max_event_channels", "131071"}},
		{"fork = 17", NULL, {"fork 17", "0 to 16"}},
		{"fork_depth = 0", NULL, {"fork_depth 0", "1 to 4"}},
		{"type = 'hvm'", NULL, {"hvm", "pv and pvh"}},
		{"type = 'xen'", NULL, {"type \"xen\"", "\"pvh\""}},
		{"builder = 'hvm'", NULL, {"builder", "type="}},
		{"uuid = '1234'", NULL, {"uuid \"1234\"", "01234567"}},
		{"on_crash = 'coredump-destroy'", NULL, {"on_crash", "preserve"}},
		{"name = ''", NULL, {"name", "empty"}},
		{"kernel = ''", NULL, {"kernel", "empty"}},
		{"vif = [ 'mac=00:16:3e:00:00' ]", NULL, {"vif \"mac", "not of the form"}},
		{"disk = [ '/x,qcow2,xvda,w' ]", NULL, {"disk \"/x", "qemu-img"}},
		{"pci = [ '00:01.0' ]", NULL, {"pci", "passthrough"}},
		{"memroy = 4", NULL, {"memroy", "unknown key"}},
		{"memory = = 4", NULL, {"t.cfg:1", ""}},
		{"memory = [ 4", NULL, {"t.cfg", ""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_config c;
		struct vmcfg v;
		struct err e;
		int rc = parse(cases[i].text, cases[i].set, &v, &c, &e);

		if (rc >= 0 || !strstr(e.msg, cases[i].words[0]) ||
		    !strstr(e.msg, cases[i].words[1]) || strchr(e.msg, '\n'))
			fail_msg("%s: %d \"%s\"", cases[i].text, rc, e.msg);
		vm_config_clear(&c);
		vmcfg_clear(&v);
	}
}

static void ignored_keys_are_left_out(void **state)
{
	struct vmcfg v = of_text("vif=['x']\nmemory=4");
	struct vm_config c;
	struct err e = {0};

	(void)state;
	assert_int_equal(vmcfg_add(&v.ignore, "vif", 3), 0);
	assert_int_equal(vmcfg_parse(&v, &c, &e), 0);
	assert_int_equal(c.mem_kib, 4096);
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void relative_paths_need_a_folder(void **state)
{
	struct vmcfg v = of_text("kernel='k'");
	struct vm_config c;
	struct err e = {0};

	(void)state;
	assert_int_equal(vmcfg_parse(&v, &c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "begins with /"));
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void memory_has_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t kib;
	} cases[] = {{"4", 4096},    {"256K", 256},    {"256k", 256},	{"4M", 4096},
		     {"4MiB", 4096}, {"2G", 2u << 20}, {"1T", 1u << 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t kib = 0;

		assert_int_equal(vmcfg_memory("memory", cases[i].text, &kib, NULL), 0);
		assert_int_equal(kib, cases[i].kib);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back),
		cmocka_unit_test(frames_too_small_are_not_sent),
		cmocka_unit_test(every_broken_frame_is_refused),
		cmocka_unit_test(lexer_finds_keys),
		cmocka_unit_test(configurations_are_understood),
		cmocka_unit_test(limits_are_understood),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(ignored_keys_are_left_out),
		cmocka_unit_test(relative_paths_need_a_folder),
		cmocka_unit_test(memory_has_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
