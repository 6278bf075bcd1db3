/* SPDX-License-Identifier: BSD-3-Clause */
/* libchaos' replies: each field of a frame is where chaos.h says. */
#include "split-toolstack/libchaos/decode.h"

#include <string.h>

#include "tests/unit/unit.h"

static uint8_t buffer[PROTO_FRAME_MAX];
static struct chaos_reply reply;

static struct wire_out begin(enum proto_op op)
{
	struct wire_out w;

	wire_begin(&w, buffer, sizeof(buffer), op, 7);
	return w;
}

static void decode(struct wire_out *w)
{
	uint32_t len = wire_end(w);
	struct wire_in in;

	assert_int_not_equal(len, 0);
	assert_int_equal(wire_parse(&in, buffer, len), 0);
	memset(&reply, 0xa5, sizeof(reply)); /* what an earlier one left must not show */
	decode_reply(&in, &reply);
}

static void put_vm(struct wire_out *w)
{
	static const uint8_t uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
	uint32_t mark = wire_open(w, PROTO_VM);

	wire_text(w, PROTO_NAME, "web");
	wire_bytes(w, PROTO_UUID, uuid, sizeof(uuid));
	wire_u32(w, PROTO_DOMID, 12);
	wire_text(w, PROTO_STATE, "running");
	wire_text(w, PROTO_REASON, "reboot");
	wire_u32(w, PROTO_EXIT_CODE, 3);
	wire_u32(w, PROTO_READY, 1);
	wire_u32(w, PROTO_NOXS, 1);
	wire_text(w, PROTO_TYPE, "pvh");
	wire_u64(w, PROTO_MEM_KIB, 4096);
	wire_u64(w, PROTO_MAXMEM_KIB, 8192);
	wire_u32(w, PROTO_VCPUS, 2);
	wire_text(w, PROTO_KERNEL, "/boot/k");
	wire_text(w, PROTO_RAMDISK, "/boot/r");
	wire_text(w, PROTO_CMDLINE, "a b");
	wire_text(w, PROTO_PINNED, "0;1-2");
	wire_text(w, PROTO_ON_POWEROFF, "destroy");
	wire_text(w, PROTO_ON_REBOOT, "restart");
	wire_text(w, PROTO_ON_CRASH, "preserve");
	wire_u64(w, PROTO_CREATED, 1);
	wire_u64(w, PROTO_STARTED, 2);
	wire_u64(w, PROTO_ENDED, 3);
	wire_u32(w, PROTO_RESTARTS, 4);
	wire_u64(w, PROTO_CPU_NS, 5);
	wire_u64(w, PROTO_CONSOLE_BYTES, 6);
	wire_close(w, mark);
}

static void a_created_vm_is_whole(void **state)
{
	struct wire_out w = begin(PROTO_OK);
	const struct chaos_vm *v = &reply.vm;

	(void)state;
	put_vm(&w);
	wire_text(&w, PROTO_WAY, "warm");
	wire_text(&w, PROTO_WHY, "because");
	decode(&w);
	assert_int_equal(reply.tag, 7);
	assert_true(reply.last && reply.has_vm);
	assert_false(reply.has_flavor || reply.has_host || reply.has_image || reply.has_event);
	assert_string_equal(reply.way, "warm");
	assert_string_equal(reply.why, "because");
	assert_string_equal(reply.warning, "");
	assert_string_equal(v->name, "web");
	assert_string_equal(v->uuid, "01234567-89ab-cdef-fedc-ba9876543210");
	assert_string_equal(v->state, "running");
	assert_string_equal(v->reason, "reboot");
	assert_string_equal(v->type, "pvh");
	assert_string_equal(v->kernel, "/boot/k");
	assert_string_equal(v->ramdisk, "/boot/r");
	assert_string_equal(v->cmdline, "a b");
	assert_string_equal(v->cpus, "0;1-2");
	assert_string_equal(v->on_poweroff, "destroy");
	assert_string_equal(v->on_reboot, "restart");
	assert_string_equal(v->on_crash, "preserve");
	assert_int_equal(v->domid, 12);
	assert_int_equal(v->vcpus, 2);
	assert_int_equal(v->restarts, 4);
	assert_int_equal(v->exit_code, 3);
	assert_true(v->ready && v->noxs);
	assert_int_equal(v->mem_kib, 4096);
	assert_int_equal(v->maxmem_kib, 8192);
	assert_int_equal(v->created_ns, 1);
	assert_int_equal(v->started_ns, 2);
	assert_int_equal(v->ended_ns, 3);
	assert_int_equal(v->cpu_ns, 5);
	assert_int_equal(v->console_bytes, 6);
}

static void what_is_missing_is_nothing(void **state)
{
	struct wire_out w = begin(PROTO_OK);

	(void)state;
	decode(&w);
	assert_false(reply.has_vm || reply.has_flavor || reply.has_host || reply.has_image);
	assert_false(reply.has_event || reply.error);
	assert_null(reply.data);
	assert_int_equal(reply.len + reply.lost + reply.ndevice + reply.event_id + reply.when_ns,
			 0);
	assert_string_equal(reply.vm.name, "");
	assert_string_equal(reply.vm.kernel, "");
	assert_int_equal(reply.vm.exit_code, -1);
	w = begin(PROTO_ITEM);
	wire_text(&w, PROTO_NAME, "web"); /* the answer of destroy, pause, ... */
	decode(&w);
	assert_true(reply.has_vm && !reply.last);
	assert_string_equal(reply.vm.name, "web");
	assert_string_equal(reply.vm.state, "");
	assert_int_equal(reply.round, 0);
}

/* A newer daemon may send another size, or more text than there is room. */
static void what_does_not_fit_is_passed_over(void **state)
{
	struct wire_out w = begin(PROTO_OK);
	char text[600];
	uint32_t mark;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	wire_text(&w, PROTO_WARNING, text);
	mark = wire_open(&w, PROTO_VM);
	wire_text(&w, PROTO_NAME, text);
	wire_u64(&w, PROTO_DOMID, 12);
	wire_u64(&w, PROTO_READY, 1);
	wire_bytes(&w, PROTO_UUID, text, 15);
	wire_bytes(&w, PROTO_CMDLINE, "a\0b", 3);
	wire_u32(&w, PROTO_MTU, 1500); /* has no place in a VM */
	wire_close(&w, mark);
	decode(&w);
	assert_string_equal(reply.warning, "");
	assert_true(reply.has_vm);
	assert_string_equal(reply.vm.name, "");
	assert_string_equal(reply.vm.uuid, "");
	assert_string_equal(reply.vm.cmdline, "a");
	assert_int_equal(reply.vm.domid, 0);
	assert_false(reply.vm.ready);
}

static void events_data_and_devices(void **state)
{
	struct wire_out w = begin(PROTO_ITEM);
	struct chaos_device d;
	struct wire_in in = {0};

	(void)state;
	wire_text(&w, PROTO_EVENT, "started");
	wire_u64(&w, PROTO_EVENT_ID, 9);
	wire_u64(&w, PROTO_WHEN, 10);
	wire_u64(&w, PROTO_LOST, 11);
	wire_bytes(&w, PROTO_DATA, "abc", 3);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t mark = wire_open(&w, PROTO_DEVICE);

		wire_text(&w, PROTO_KIND, i ? "vbd" : "vif");
		wire_u32(&w, PROTO_DEVID, 51712 * i);
		wire_u32(&w, PROTO_READONLY, i);
		wire_close(&w, mark);
	}
	decode(&w);
	assert_true(reply.has_event && !reply.last);
	assert_string_equal(reply.event, "started");
	assert_int_equal(reply.event_id, 9);
	assert_int_equal(reply.when_ns, 10);
	assert_int_equal(reply.lost, 11);
	assert_int_equal(reply.len, 3);
	assert_memory_equal(reply.data, "abc", 3);
	assert_int_equal(reply.ndevice, 2);
	in.fields = reply.frame;
	in.bytes = (uint32_t)reply.frame_len;
	memset(&d, 0xa5, sizeof(d));
	assert_true(decode_device(&in, 0, &d));
	assert_string_equal(d.kind, "vif");
	assert_string_equal(d.path, "");
	assert_false(d.readonly || d.cdrom);
	assert_true(decode_device(&in, 1, &d));
	assert_string_equal(d.kind, "vbd");
	assert_int_equal(d.devid, 51712);
	assert_true(d.readonly);
	assert_false(decode_device(&in, 2, &d));
}

static void hosts_flavors_and_images(void **state)
{
	struct wire_out w = begin(PROTO_OK);
	uint32_t mark;

	(void)state;
	wire_text(&w, PROTO_VERSION_TEXT, "1");
	wire_text(&w, PROTO_XEN, "4.17");
	wire_text(&w, PROTO_STORE, "own");
	wire_u32(&w, PROTO_VMS, 5);
	wire_u64(&w, PROTO_FREE_KIB, 6);
	wire_u32(&w, PROTO_PVH, 1);
	wire_text(&w, PROTO_TAIL, "off");
	mark = wire_open(&w, PROTO_FLAVOR);
	wire_u64(&w, PROTO_MEM_KIB, 256);
	wire_u32(&w, PROTO_READY, 4);
	wire_text(&w, PROTO_KERNEL, "image");
	wire_close(&w, mark);
	mark = wire_open(&w, PROTO_IMAGE);
	wire_text(&w, PROTO_NAME, "web");
	wire_u64(&w, PROTO_BYTES, 99);
	wire_close(&w, mark);
	decode(&w);
	assert_true(reply.has_host && reply.has_flavor && reply.has_image && !reply.has_vm);
	assert_string_equal(reply.host.chaos, "1");
	assert_string_equal(reply.host.store, "own");
	assert_int_equal(reply.host.vms, 5);
	assert_int_equal(reply.host.free_kib, 6);
	assert_true(reply.host.pvh);
	assert_string_equal(reply.host.tail_guard, "off");
	assert_string_equal(reply.flavor.image, "image");
	assert_int_equal(reply.flavor.held_kib, 1024);
	assert_string_equal(reply.image.name, "web");
	assert_int_equal(reply.image.bytes, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_created_vm_is_whole),
		cmocka_unit_test(what_is_missing_is_nothing),
		cmocka_unit_test(what_does_not_fit_is_passed_over),
		cmocka_unit_test(events_data_and_devices),
		cmocka_unit_test(hosts_flavors_and_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
