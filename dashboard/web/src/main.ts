import "./style/tokens.css";
import "./style/base.css";
import { startClock } from "./plant/clock";
import { plant } from "./plant/plant";
import { announce } from "./shell/announcer";
import "./shell/app";
import { startRouting } from "./shell/route";
import { checkLogin, stream } from "./shell/session";
import { startTheme } from "./shell/theme";

startTheme();
startRouting();
startClock();
plant.onRing = announce;
stream.open();
void checkLogin();
