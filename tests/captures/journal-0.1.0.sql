-- The journal that version 0.1.0 (commit b971d3d) wrote, as sqlite3 .dump shows it. PRAGMA application_id and user_version follow.
BEGIN TRANSACTION;
CREATE TABLE destination (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE,
        position INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        open INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        given_up INTEGER NOT NULL,
        total INTEGER NOT NULL,
        serial INTEGER NOT NULL,
        crc INTEGER NOT NULL
    , absent_after INTEGER NOT NULL DEFAULT 0, absent_until INTEGER NOT NULL DEFAULT 0);
INSERT INTO "destination" VALUES(1,'A.example:10051',12,12,0,0,11,1,4,10,3980991850,0,0);
INSERT INTO "destination" VALUES(2,'b.example',10,9,10,0,2,1,4,11,682813082,2,7);
INSERT INTO "destination" VALUES(3,'::1;c2:10051',12,7,38,0,1,1,4,6,2125752535,0,7);
INSERT INTO "destination" VALUES(4,'d.example',14,14,0,1,1,0,4,5,79817791,0,12);
CREATE TABLE "held" (
        reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE,
        destination INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'refused', 'given-up', 'dropped', 'delivered')),
        reason TEXT,
        PRIMARY KEY (reading, destination)
    ) WITHOUT ROWID;
INSERT INTO "held" VALUES(3,1,'given-up','more than 8 waited');
INSERT INTO "held" VALUES(3,2,'given-up','more than 8 waited');
INSERT INTO "held" VALUES(3,3,'given-up','more than 8 waited');
INSERT INTO "held" VALUES(8,3,'waiting',NULL);
INSERT INTO "held" VALUES(9,3,'waiting',NULL);
INSERT INTO "held" VALUES(10,2,'refused','wrong host');
INSERT INTO "held" VALUES(10,3,'waiting',NULL);
INSERT INTO "held" VALUES(11,3,'waiting',NULL);
INSERT INTO "held" VALUES(13,4,'dropped',NULL);
CREATE TABLE reading (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ns INTEGER NOT NULL,
        sensor TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc INTEGER NOT NULL,
        UNIQUE (time_ns, sensor)
    );
INSERT INTO "reading" VALUES(1,1793923260000000001,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:01:00.000000001Z", "temperature": -1.99, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',4148676357);
INSERT INTO "reading" VALUES(2,1793923320000000002,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:02:00.000000002Z", "temperature": -1.98, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',3059718598);
INSERT INTO "reading" VALUES(3,1793923380000000003,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:03:00.000000003Z", "temperature": -1.97, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',3304091035);
INSERT INTO "reading" VALUES(4,1793923440000000004,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:04:00.000000004Z", "temperature": -1.96, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',419624158);
INSERT INTO "reading" VALUES(5,1793923500000000005,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:05:00.000000005Z", "temperature": -1.95, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',3161445175);
INSERT INTO "reading" VALUES(6,1793923560000000006,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:06:00.000000006Z", "temperature": -1.94, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',2122050193);
INSERT INTO "reading" VALUES(7,1793923620000000007,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:07:00.000000007Z", "temperature": -1.93, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',902130108);
INSERT INTO "reading" VALUES(8,1793923680000000008,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:08:00.000000008Z", "temperature": -1.92, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',2545154292);
INSERT INTO "reading" VALUES(9,1793923740000000009,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:09:00.000000009Z", "temperature": -1.91, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',2849196896);
INSERT INTO "reading" VALUES(10,1793923800000000010,'living-room',0,'{"v": 1, "sensor": "living-room", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:10:00.000000010Z", "temperature": -1.9, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',3147077999);
INSERT INTO "reading" VALUES(11,1793923860000000011,'attic',0,'{"v": 1, "sensor": "attic", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:11:00.000000011Z", "temperature": -1.89, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',1752951221);
INSERT INTO "reading" VALUES(12,1793923920000000012,'attic',0,'{"v": 1, "sensor": "attic", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:12:00.000000012Z", "temperature": -1.88, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',1828557324);
INSERT INTO "reading" VALUES(13,1793923980000000013,'attic',0,'{"v": 1, "sensor": "attic", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:13:00.000000013Z", "temperature": -1.87, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',794055401);
INSERT INTO "reading" VALUES(14,1793924040000000014,'attic',0,'{"v": 1, "sensor": "attic", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:14:00.000000014Z", "temperature": -1.86, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',1565707369);
INSERT INTO "reading" VALUES(15,1793924100000000015,'attic',0,'{"v": 1, "sensor": "attic", "port": "1-1", "model": "USB-RH", "serial": null, "time": "2026-11-06T00:15:00.000000015Z", "temperature": -1.85, "humidity": 50.0, "dew_point": -10.0, "absolute_humidity": null, "raw": null, "conversion": null, "calibration": null, "heater": false, "status": null, "simulated": false, "state": "ok", "error": null}',967856733);
CREATE INDEX reading_sensor ON reading (sensor);
CREATE INDEX held_state ON held (destination, state, reading);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('reading',15);
COMMIT;
PRAGMA application_id = 1970496114;
PRAGMA user_version = 2;
